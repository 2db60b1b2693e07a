import { Stack } from 'aws-cdk-lib'
import { Key } from 'aws-cdk-lib/aws-kms'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { HostedRotation } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { encryptWith } from '../../../docs/examples/own-key.ts'
import { instanceIn, ownStack, viewkeeperOn } from './own-app.ts'
import { type Properties, Synthesized } from './synth.ts'

/** A control of Security Hub (`Lambda.3`) or of Control Tower (`CT.LAMBDA.PR.3`), as it reads a template. */
interface Control {
  ids: string
  asks: string
  type: string
  /** Whether a resource of that type does what is asked. The other resources of the stack are there to look up more. */
  isMet: (properties: Properties, stack: Synthesized) => boolean
  /** What an app says to meet it, if a default environment does not. */
  prop?: string
  /** Why no prop meets it. */
  never?: string
}

const anybody = (principal: unknown) =>
  principal === '*' || (principal as { AWS?: unknown } | undefined)?.AWS === '*'
const letsAnybody = ({ PolicyDocument }: Properties) =>
  PolicyDocument.Statement.some(
    ({ Effect, Principal }: Properties) => Effect === 'Allow' && anybody(Principal),
  )
const statementsOf = (role: Properties): Properties[] =>
  [role, ...(role.Policies ?? [])].flatMap(({ PolicyDocument }) => PolicyDocument?.Statement ?? [])
const actionsOf = (role: Properties): string[] => statementsOf(role).flatMap(({ Action }) => Action)
const withoutWildcards = (role: Properties) =>
  actionsOf(role).every((action) => !/^(\*|\w+:\*)$/.test(action))
const ownKey = '`encryptWith(viewkeeper, key)` with [a key of yours](cdk.md#a-key-of-yours)'

export const controls: Control[] = [
  {
    ids: 'Lambda.1, CT.LAMBDA.PR.2',
    asks: 'no function can be called by everybody',
    type: 'AWS::Lambda::Permission',
    isMet: ({ Principal }) => !anybody(Principal),
  },
  {
    ids: 'Lambda.2',
    asks: 'functions run on a runtime that AWS supports',
    type: 'AWS::Lambda::Function',
    isMet: ({ Runtime }) => Runtime === 'nodejs24.x',
  },
  {
    ids: 'Lambda.3, CT.LAMBDA.PR.3',
    asks: 'functions are in a VPC',
    type: 'AWS::Lambda::Function',
    isMet: ({ VpcConfig }) => VpcConfig !== undefined,
    prop: '`allFunctionsInVpc`',
  },
  {
    ids: 'Lambda.5',
    asks: 'functions in a VPC have subnets of two zones',
    type: 'AWS::Lambda::Function',
    isMet: ({ VpcConfig }) => VpcConfig === undefined || VpcConfig.SubnetIds.length > 1,
  },
  {
    ids: 'Lambda.7',
    asks: 'functions are traced',
    type: 'AWS::Lambda::Function',
    isMet: ({ TracingConfig }) => TracingConfig?.Mode === 'Active',
    prop: '`tracing: true`',
  },
  {
    ids: 'APIGateway.8, CT.APIGATEWAY.PR.5',
    asks: 'each route asks who calls',
    type: 'AWS::ApiGatewayV2::Route',
    isMet: ({ AuthorizationType }) => AuthorizationType === 'AWS_IAM',
  },
  {
    ids: 'APIGateway.9, CT.APIGATEWAY.PR.4',
    asks: 'each stage logs who called',
    type: 'AWS::ApiGatewayV2::Stage',
    isMet: ({ AccessLogSettings }) => AccessLogSettings?.DestinationArn !== undefined,
  },
  {
    ids: 'StepFunctions.1, CT.STEPFUNCTIONS.PR.1',
    asks: 'state machines log',
    type: 'AWS::StepFunctions::StateMachine',
    isMet: ({ LoggingConfiguration }) =>
      ['ALL', 'ERROR', 'FATAL'].includes(LoggingConfiguration?.Level) &&
      LoggingConfiguration.Destinations.length > 0,
  },
  {
    ids: 'CT.STEPFUNCTIONS.PR.2',
    asks: 'state machines are traced',
    type: 'AWS::StepFunctions::StateMachine',
    isMet: ({ TracingConfiguration }) => TracingConfiguration?.Enabled === true,
    prop: '`tracing: true`',
  },
  {
    ids: 'SNS.1, CT.SNS.PR.1',
    asks: 'topics are encrypted by a key of KMS',
    type: 'AWS::SNS::Topic',
    isMet: ({ KmsMasterKeyId }) => KmsMasterKeyId !== undefined,
    prop: `${ownKey}, or \`topics\``,
  },
  {
    ids: 'SNS.4',
    asks: 'topics are not public',
    type: 'AWS::SNS::TopicPolicy',
    isMet: (policy) => !letsAnybody(policy),
  },
  {
    ids: 'SQS.1, CT.SQS.PR.2',
    asks: 'queues are encrypted',
    type: 'AWS::SQS::Queue',
    isMet: ({ SqsManagedSseEnabled, KmsMasterKeyId }) =>
      SqsManagedSseEnabled === true || KmsMasterKeyId !== undefined,
  },
  {
    ids: 'SQS.3',
    asks: 'queues are not public',
    type: 'AWS::SQS::QueuePolicy',
    isMet: (policy) => !letsAnybody(policy),
  },
  {
    ids: 'CT.SQS.PR.1',
    asks: 'a queue has a queue of dead letters, or says whose it is',
    type: 'AWS::SQS::Queue',
    isMet: ({ RedrivePolicy, RedriveAllowPolicy }) =>
      RedrivePolicy !== undefined || RedriveAllowPolicy !== undefined,
    never: 'the queue is the one of the dead letters, which come from functions, schedules and topics',
  },
  {
    ids: 'SecretsManager.1, SecretsManager.4, CT.SECRETSMANAGER.PR.1',
    asks: 'secrets rotate',
    type: 'AWS::SecretsManager::Secret',
    isMet: (_, stack) => stack.resources('AWS::SecretsManager::RotationSchedule').length > 0,
    prop: '[a rotation](deploy.md#a-password-that-changes) of `loginSecret`, or `iamAuthentication`, which has no secret',
  },
  {
    ids: 'CloudWatch.15, CT.CLOUDWATCH.PR.1',
    asks: 'each alarm tells somebody',
    type: 'AWS::CloudWatch::Alarm',
    isMet: ({ AlarmActions }) => AlarmActions?.length > 0,
    prop: '`pager`: without one, what the mails of the monitor say is an alarm that tells nobody',
  },
  {
    ids: 'CloudWatch.17, CT.CLOUDWATCH.PR.4',
    asks: 'the actions of alarms are switched on',
    type: 'AWS::CloudWatch::Alarm',
    isMet: ({ ActionsEnabled }) => ActionsEnabled !== false,
  },
  {
    ids: 'CloudWatch.16, CT.CLOUDWATCH.PR.2',
    asks: 'logs are kept for a year',
    type: 'AWS::Logs::LogGroup',
    isMet: ({ RetentionInDays }) => RetentionInDays === undefined || RetentionInDays >= 365,
    prop: '`logRetention: RetentionDays.ONE_YEAR`',
  },
  {
    ids: 'CT.CLOUDWATCH.PR.3',
    asks: 'logs are encrypted by a key of KMS',
    type: 'AWS::Logs::LogGroup',
    isMet: ({ KmsKeyId }) => KmsKeyId !== undefined,
    prop: ownKey,
  },
  {
    ids: 'EC2.13, EC2.14, EC2.18, EC2.19',
    asks: 'security groups let nobody in from everywhere',
    type: 'AWS::EC2::SecurityGroup',
    isMet: ({ SecurityGroupIngress }) => SecurityGroupIngress === undefined,
  },
  {
    ids: 'IAM.1',
    asks: 'no policy allows everything',
    type: 'AWS::IAM::ManagedPolicy',
    isMet: (policy) => !actionsOf(policy).includes('*'),
  },
  {
    ids: 'IAM.21',
    asks: 'no policy allows all of a service',
    type: 'AWS::IAM::ManagedPolicy',
    isMet: withoutWildcards,
  },
  {
    ids: 'KMS.1',
    asks: 'no policy may decrypt with every key',
    type: 'AWS::IAM::Policy',
    isMet: (policy) =>
      statementsOf(policy).every(
        ({ Action, Resource }) => Resource !== '*' || ![Action].flat().some((action) => /^kms:/.test(action)),
      ),
  },
]

/** An environment as the first example of `cdk.md` makes it. */
function byDefault(): Synthesized {
  const { stack: shop, vpc } = ownStack()
  const stack = new Stack(shop.node.root as never, 'Views')
  viewkeeperOn(stack, { database: instanceIn(shop, vpc), vpc }, { alarmEmails: ['people@example.com'] })
  return new Synthesized(stack)
}

/** The same with all that the table names. */
function hardened(): Synthesized {
  const { stack: shop, vpc } = ownStack()
  const stack = new Stack(shop.node.root as never, 'Views')
  const viewkeeper = viewkeeperOn(
    stack,
    { database: instanceIn(shop, vpc), vpc },
    {
      alarmEmails: ['people@example.com'],
      logRetention: RetentionDays.ONE_YEAR,
      allFunctionsInVpc: true,
      pager: Topic.fromTopicArn(stack, 'Pager', 'arn:aws:sns:eu-central-1:123456789012:pager'),
      tracing: true,
    },
  )
  encryptWith(viewkeeper, new Key(stack, 'Key', { enableKeyRotation: true }))
  const { loginSecret, securityGroups } = viewkeeper
  loginSecret?.addRotationSchedule('Rotation', {
    hostedRotation: HostedRotation.postgreSqlSingleUser({ vpc, securityGroups }),
  })
  return new Synthesized(stack)
}

const environments = { byDefault: byDefault(), hardened: hardened() }

/** How many resources a control reads in an environment, and which of them do not do what it asks. */
export function look({ type, isMet }: Control, kind: keyof typeof environments) {
  const stack = environments[kind]
  const all = stack.resources(type)
  const failing = all.filter(([, { Properties }]) => !isMet(Properties, stack)).map(([id]) => id)
  return { all: all.length, failing }
}

/** What a default environment meets, and what it takes to meet the rest. */
export const controlTable = () =>
  [
    '| control | asks that | by default | how |',
    '|---|---|---|---|',
    ...controls.map((control) => {
      const { all, failing } = look(control, 'byDefault')
      const met =
        failing.length === 0 ? 'yes' : failing.length === all ? 'no' : `no: ${failing.length} of ${all}`
      return `| ${control.ids} | ${control.asks} | ${met} | ${control.prop ?? (control.never && `never: ${control.never}`) ?? ''} |`
    }),
    '',
  ].join('\n')
