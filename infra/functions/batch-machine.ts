import { ArnFormat, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
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
import { LambdaInvoke, SqsSendMessage } from 'aws-cdk-lib/aws-stepfunctions-tasks'
import { Construct } from 'constructs'
import { isRefusal, problemCodes } from '../../src/words/problem.ts'

export interface BatchMachineProps {
  physicalName: string
  /** The function that records the batch that an event asks for; it advances a batch, and says whether it is done. */
  batch: IFunction
  /** The function that starts the executions of batches that are on record already. */
  startBatch: LambdaFunction
  /** The queue for events of which no batch could be opened. */
  deadLetters: IQueue
  logRetention: RetentionDays
  /** Whether X-Ray traces the executions. */
  tracing: boolean
}

/**
 * The state machine that opens the batch that an event asks for, unless the batch is on record already, has it
 * advanced until it is done, and ends as the batch did. The input is the event of a schedule or of a deploy, or `{ batchId }`.
 * Everything else is in the database.
 */
export class BatchMachine extends Construct {
  readonly machine: StateMachine

  constructor(scope: Construct, id: string, props: BatchMachineProps) {
    super(scope, id)
    const { physicalName, batch, startBatch, deadLetters, tracing } = props
    const logGroup = new LogGroup(this, 'Logs', {
      // With this prefix AWS needs no policy statement for each log group; the size of that policy is
      // limited.
      logGroupName: `/aws/vendedlogs/viewkeeper/${physicalName}/batches`,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.machine = new StateMachine(this, 'Machine', {
      comment: 'Opens one batch, and advances it until it has ended',
      definitionBody: DefinitionBody.fromChainable(opening(this, batch, deadLetters, loop(this, batch))),
      // With a call every 14 minutes the history of an execution is full after 34 days.
      timeout: Duration.days(7),
      role: machineRole(this, batch, deadLetters, tracing).withoutPolicyUpdates(),
      // The data are names of views and classes of errors, and no secrets.
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: true },
      tracingEnabled: tracing,
    })
    if (!tracing)
      Validations.of(this.machine).acknowledge({
        id: 'AwsSolutions-SF2',
        reason: 'X-Ray traces the executions where the environment says tracing: true.',
      })
    this.machine.grantStartExecution(startBatch)
    startBatch.addEnvironment('STATE_MACHINE_ARN', this.machine.stateMachineArn)
  }
}

/**
 * Pauses of 1, 2, 4, 8, 16, 32 s and 60 times 60 s: more than an hour in all. Whatever waiting may mend is retried: the
 * database or Secrets Manager cannot be reached, the function sleeps, is throttled or timed out.
 */
const anHour = {
  errors: ['States.ALL'],
  interval: Duration.seconds(1),
  backoffRate: 2,
  maxDelay: Duration.seconds(60),
  maxAttempts: 66,
}

/** What is refused for what the event says: the error of a function has the code of its Problem as its name. */
const refusals = { errors: problemCodes.filter(isRefusal), maxAttempts: 0 }

/**
 * A batch without an id is opened first. The name of the execution is the same at every retry, so that a retry whose
 * predecessor was cut off finds the same batch. Nothing is left to do if the batch was skipped. If it could not be opened, no record
 * says so: its event becomes a dead letter, with the error as `failed`.
 */
function opening(scope: Construct, lambdaFunction: IFunction, queue: IQueue, advance: LambdaInvoke): Choice {
  const open = new LambdaInvoke(scope, 'Open', {
    lambdaFunction,
    payload: TaskInput.fromObject({
      event: JsonPath.objectAt('$'),
      requestId: JsonPath.stringAt('$$.Execution.Name'),
    }),
    payloadResponseOnly: true,
    // Longer than recording takes: the function gives up on the database after 20 s.
    taskTimeout: Timeout.duration(Duration.minutes(1)),
    retryOnServiceExceptions: false,
  })
  open.addRetry(refusals)
  open.addRetry(anHour)
  const notOpened = new Fail(scope, 'NotOpened', {
    errorPath: '$.failed.Error',
    causePath: '$.failed.Cause',
  })
  const bury = new SqsSendMessage(scope, 'Bury', {
    queue,
    messageBody: TaskInput.fromJsonPathAt('$'),
    resultPath: JsonPath.DISCARD,
  })
  bury.addRetry({ errors: ['States.ALL'], maxAttempts: 3 })
  bury.addCatch(notOpened, { resultPath: JsonPath.DISCARD })
  bury.next(notOpened)
  open.addCatch(bury, { resultPath: '$.failed' })
  open.next(
    new Choice(scope, 'Opened')
      .when(Condition.isNull('$.batchId'), new Succeed(scope, 'NothingToDo'))
      .otherwise(advance),
  )
  return new Choice(scope, 'Begin').when(Condition.isPresent('$.batchId'), advance).otherwise(open)
}

/** The answer of each call replaces the answer of the call before: nothing grows over thousands of calls. */
function loop(scope: Construct, lambdaFunction: IFunction): LambdaInvoke {
  const advance = new LambdaInvoke(scope, 'Advance', {
    lambdaFunction,
    payload: TaskInput.fromObject({ batchId: JsonPath.stringAt('$.batchId') }),
    payloadResponseOnly: true,
    resultPath: '$.advanced',
    // A minute longer than the function lives.
    taskTimeout: Timeout.duration(Duration.minutes(16)),
    retryOnServiceExceptions: false,
  })
  // If a batch fails for good, the function does not fail but returns the failure.
  advance.addRetry(anHour)
  // Whoever canceled a batch knows it.
  const ended = ['success', 'skipped', 'canceled'].map((status) =>
    Condition.stringEquals('$.advanced.status', status),
  )
  const done = new Choice(scope, 'Decide')
    .when(Condition.booleanEquals('$.advanced.done', false), advance)
    .when(Condition.or(...ended), new Succeed(scope, 'Succeeded', { outputPath: '$.advanced' }))
    .otherwise(
      new Fail(scope, 'Failed', {
        errorPath: '$.advanced.error.class',
        causePath: '$.advanced.error.message',
      }),
    )
  advance.next(done)
  return advance
}

/** CDK's own role could also invoke every version of the function, by a wildcard. */
function machineRole(
  scope: Construct,
  { functionArn }: IFunction,
  { queueArn }: IQueue,
  tracing: boolean,
): Role {
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('states.amazonaws.com', {
      conditions: {
        StringEquals: { 'aws:SourceAccount': Stack.of(scope).account },
        // The machine needs the role, so the role cannot name it: any of this account and region.
        ArnLike: {
          'aws:SourceArn': Stack.of(scope).formatArn({
            service: 'states',
            resource: 'stateMachine',
            resourceName: '*',
            arnFormat: ArnFormat.COLON_RESOURCE_NAME,
          }),
        },
      },
    }),
    inlinePolicies: {
      call: new PolicyDocument({
        statements: [
          new PolicyStatement({
            actions: ['lambda:InvokeFunction'],
            resources: [functionArn],
          }),
          new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queueArn] }),
          new PolicyStatement({
            actions: tracing ? [...logDelivery, ...traces] : logDelivery,
            resources: ['*'],
          }),
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

const traces = [
  'xray:GetSamplingRules',
  'xray:GetSamplingTargets',
  'xray:PutTelemetryRecords',
  'xray:PutTraceSegments',
]
