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
 * The state machine that calls `advance` until a batch is done, and ends as the batch did. It holds no state of its own but
 * the batch's id: the batch is in the database.
 */
export class BatchMachine extends Construct {
  readonly machine: StateMachine

  constructor(scope: Construct, id: string, props: BatchMachineProps) {
    super(scope, id)
    const { environmentName, advance, startBatch } = props
    const logGroup = new LogGroup(this, 'Logs', {
      // Below this prefix AWS needs no statement for each log group in a policy whose size is limited.
      logGroupName: `/aws/vendedlogs/viewkeeper/${environmentName}/batches`,
      retention: props.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `viewkeeper-${environmentName}-batches`,
      comment: 'Drives one batch on until it has ended',
      definitionBody: DefinitionBody.fromChainable(loop(this, advance)),
      // Far below the 34 days after which a history is full, at a call every 14 minutes.
      timeout: Duration.days(7),
      role: machineRole(this, advance).withoutPolicyUpdates(),
      // Names of views, classes of errors: nothing in it is secret.
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: true },
      tracingEnabled: true,
    })
    this.machine.grantStartExecution(startBatch)
    startBatch.addEnvironment('STATE_MACHINE_ARN', this.machine.stateMachineArn)
  }
}

/** The payload is the execution's own input, so that nothing adds up over thousands of calls. */
function loop(scope: Construct, lambdaFunction: IFunction): LambdaInvoke {
  const advance = new LambdaInvoke(scope, 'Advance', {
    lambdaFunction,
    payload: TaskInput.fromObject({ batchId: JsonPath.stringAt('$$.Execution.Input.batchId') }),
    payloadResponseOnly: true,
    // The function lives for 15 minutes.
    taskTimeout: Timeout.duration(Duration.minutes(16)),
    retryOnServiceExceptions: false,
  })
  // Some 17 minutes of trying, each time anew: longer than a failover takes. Whatever fails for good, advance returns.
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

/** CDK's own statement would allow every version of the function too, by a wildcard. */
function machineRole(scope: Construct, advance: IFunction): Role {
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('states.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } },
    }),
    inlinePolicies: {
      drive: new PolicyDocument({
        statements: [
          new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [advance.functionArn] }),
          new PolicyStatement({ actions: [...logDelivery, ...tracing], resources: ['*'] }),
        ],
      }),
    },
  })
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'Neither the delivery of logs nor X-Ray knows resources that a policy could name.',
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
