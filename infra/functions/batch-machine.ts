import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import {
  Choice,
  Condition,
  DefinitionBody,
  Fail,
  JsonPath,
  LogLevel,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
} from 'aws-cdk-lib/aws-stepfunctions'
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks'
import { Construct } from 'constructs'

export interface BatchMachineProps {
  environmentName: string
  /** The function that advances a batch and says whether it is done. */
  advance: IFunction
  /** The function that starts executions. */
  startBatch: LambdaFunction
  logRetentionDays: RetentionDays
}

/**
 * The state machine that calls `advance` until a batch is done, and ends as the batch did. It knows only the
 * id of the batch: everything else is in the database.
 */
export class BatchMachine extends Construct {
  readonly machine: StateMachine

  constructor(scope: Construct, id: string, props: BatchMachineProps) {
    super(scope, id)
    const { environmentName, advance, startBatch } = props
    const logGroup = new LogGroup(this, 'Logs', {
      // With this prefix AWS needs no policy statement for each log group; the size of that policy is
      // limited.
      logGroupName: `/aws/vendedlogs/viewkeeper/${environmentName}/batches`,
      retention: props.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `viewkeeper-${environmentName}-batches`,
      comment: 'Advances one batch until it has ended',
      definitionBody: DefinitionBody.fromChainable(loop(this, advance)),
      // With a call every 14 minutes the history of an execution is full after 34 days.
      timeout: Duration.days(7),
      role: machineRole(this, advance).withoutPolicyUpdates(),
      // The data are names of views and classes of errors, and no secrets.
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: true },
      tracingEnabled: true,
    })
    this.machine.grantStartExecution(startBatch)
    startBatch.addEnvironment('STATE_MACHINE_ARN', this.machine.stateMachineArn)
  }
}

/**
 * Each call gets the input of the execution, not the answer of the call before: nothing grows over thousands
 * of calls.
 */
function loop(scope: Construct, lambdaFunction: IFunction): LambdaInvoke {
  const advance = new LambdaInvoke(scope, 'Advance', {
    lambdaFunction,
    payload: TaskInput.fromObject({ batchId: JsonPath.stringAt('$$.Execution.Input.batchId') }),
    payloadResponseOnly: true,
    // A minute longer than the function lives.
    taskTimeout: Timeout.duration(Duration.minutes(16)),
    retryOnServiceExceptions: false,
  })
  // Every call may be retried for about 17 minutes, longer than a failover takes. If a batch fails for good,
  // advance does not fail but returns the failure.
  advance.addRetry({
    errors: ['States.ALL'],
    interval: Duration.seconds(1),
    backoffRate: 2,
    maxDelay: Duration.seconds(60),
    maxAttempts: 22,
  })
  const ended = ['success', 'skipped'].map((status) => Condition.stringEquals('$.status', status))
  const done = new Choice(scope, 'Decide')
    .when(Condition.booleanEquals('$.done', false), advance)
    .when(Condition.or(...ended), new Succeed(scope, 'Succeeded'))
    .otherwise(new Fail(scope, 'Failed', { errorPath: '$.error.class', causePath: '$.error.message' }))
  advance.next(done)
  return advance
}

/** CDK's own role could also invoke every version of the function, by a wildcard. */
function machineRole(scope: Construct, advance: IFunction): Role {
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('states.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } },
    }),
    inlinePolicies: {
      advance: new PolicyDocument({
        statements: [
          new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [advance.functionArn] }),
          new PolicyStatement({ actions: [...logDelivery, ...tracing], resources: ['*'] }),
        ],
      }),
    },
  })
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'The delivery of logs and X-Ray have no resources that a policy could name.',
  })
  return role
}

const logDelivery = [
  'logs:CreateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:DescribeLogGroups',
  'logs:DescribeResourcePolicies',
  'logs:GetLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:UpdateLogDelivery',
]

const tracing = [
  'xray:GetSamplingRules',
  'xray:GetSamplingTargets',
  'xray:PutTelemetryRecords',
  'xray:PutTraceSegments',
]
