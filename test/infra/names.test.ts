import { Duration } from 'aws-cdk-lib'
import { EmailSubscription, SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { describe, expect, test } from 'vitest'
import { parseEnvironments } from '../../infra/options.ts'
import { Viewkeeper } from '../../infra/viewkeeper.ts'
import { created, imported, parse } from './support/environments.ts'
import { instanceIn, ownStack, viewkeeperOn } from './support/own-app.ts'
import { databases, kinds, Synthesized } from './support/synth.ts'

/** The names that the template gives, and what AWS accepts. The longest name of an environment has 20 characters. */
const rules: [type: string, field: string, accepted: RegExp, most: number][] = [
  ['AWS::SSM::Parameter', 'Name', /^\/[a-zA-Z0-9_.-]+\/[a-zA-Z0-9_.-]+$/, 1011],
  ['AWS::Scheduler::ScheduleGroup', 'Name', /^[0-9a-zA-Z-_.]+$/, 64],
  ['AWS::Scheduler::Schedule', 'Name', /^[0-9a-zA-Z-_.]+$/, 64],
  ['AWS::Scheduler::Schedule', 'GroupName', /^[0-9a-zA-Z-_.]+$/, 64],
  ['AWS::ApiGatewayV2::Api', 'Name', /^[a-zA-Z0-9-]+$/, 128],
  ['AWS::SQS::Queue', 'QueueName', /^[a-zA-Z0-9-_]+$/, 80],
  ['AWS::SNS::Topic', 'TopicName', /^[a-zA-Z0-9-_]+$/, 256],
  ['AWS::CloudWatch::Alarm', 'AlarmName', /^[\x20-\x7e]+$/, 255],
  ['AWS::CloudWatch::Dashboard', 'DashboardName', /^[a-zA-Z0-9-_]+$/, 255],
  ['AWS::Logs::LogGroup', 'LogGroupName', /^[.\-_/#A-Za-z0-9]+$/, 512],
  ['AWS::IAM::ManagedPolicy', 'ManagedPolicyName', /^[\w+=,.@-]+$/, 128],
  ['AWS::RDS::DBInstance', 'DBInstanceIdentifier', /^[a-z](-?[a-z0-9])*$/, 63],
  ['AWS::RDS::DBInstance', 'DBName', /^[A-Za-z][A-Za-z0-9_]*$/, 63],
  ['AWS::RDS::DBInstance', 'MasterUsername', /^[A-Za-z][A-Za-z0-9_]*$/, 63],
]

const templates = [kinds.created, databases.created]

test.each(rules)(
  'AWS accepts each %s by its %s, for the longest environment, too',
  (type, field, accepted, most) => {
    const names = templates
      .flatMap((each) => each.resources(type))
      .flatMap(([, { Properties }]) =>
        typeof Properties[field] === 'string' ? [Properties[field] as string] : [],
      )
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      expect(name).toMatch(accepted)
      expect(name.replace('test', 'x'.repeat(20)).length).toBeLessThanOrEqual(most)
    }
  },
)

test('every name that a template can give is in this list of rules', () => {
  const known = new Set(rules.map(([type, field]) => `${type} ${field}`))
  const resources = templates.flatMap(({ template }) =>
    Object.values(template.toJSON().Resources as Record<string, never>),
  )
  const found = resources.flatMap(({ Type, Properties }: { Type: string; Properties?: object }) =>
    Object.entries(Properties ?? {})
      .filter(([field, value]) => /(Name|Identifier)$/.test(field) && /viewkeeper/.test(String(value)))
      .map(([field]) => `${Type} ${field}`),
  )
  expect([...new Set(found)].filter((each) => !known.has(each))).toEqual([])
})

describe('a name of an environment becomes the identifier of a database server', () => {
  test.each(['a', 'prod', 'eu-1', 'x'.repeat(20), 'a-b-c'])('%s is accepted', (name) => {
    expect(Object.keys(parseEnvironments({ [name]: imported }))).toEqual([name])
  })

  test.each(['', '1st', '-a', 'a-', 'a--b', 'A', 'a_b', 'x'.repeat(21)])('"%s" is refused', (name) => {
    expect(() => parseEnvironments({ [name]: imported })).toThrow(
      `${name}: the name must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row`,
    )
  })
})

test('the name of a created database begins with a letter; the name of an imported one may not', () => {
  const named = <Database extends object>(database: Database) => ({ ...database, name: '_app' })
  expect(() => parse({ ...created, database: named(created.database) as never })).toThrow(
    'database.name: must begin with a letter',
  )
  expect(parse({ ...imported, database: named(imported.database) }).database.name).toBe('_app')
})

/** Why a name is the same in every deploy, by the type of what has it. CloudFormation makes up every other name. */
const reasons: Record<string, string> = {
  'AWS::SSM::Parameter': 'the command line finds the environment by it',
  'AWS::CloudWatch::Alarm': 'mails, chat and the runbook name alarms, and so does a policy',
  'AWS::CloudWatch::Dashboard': 'people look for it in a list',
  'AWS::IAM::ManagedPolicy': 'permission sets of IAM Identity Center name policies',
  'AWS::Logs::LogGroup': 'people type it, and AWS wants a beginning of the groups of API and state machine',
  'AWS::SNS::Topic': 'another topic asks each address to confirm again',
  'AWS::SQS::Queue': 'another queue has lost the dead letters',
  'AWS::Scheduler::Schedule': 'people look for it in a list',
  'AWS::Scheduler::ScheduleGroup': 'people look for it in a list',
}

/** What is made anew under another id of the construct, and goes with what it belongs to; docs/cdk.md says what that means. */
const replaced = [
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::ApiGatewayV2::Stage',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::EC2::SecurityGroupIngress',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Function',
  'AWS::Lambda::Permission',
  'AWS::Lambda::Version',
  'AWS::StepFunctions::StateMachine',
  'Custom::ViewkeeperMigration',
]

describe('a construct that gets another id', () => {
  const [before, after] = ['Views', 'Renamed'].map((id) => {
    const { stack, vpc } = ownStack()
    const views = new Viewkeeper(stack, id, {
      environmentName: 'test',
      database: instanceIn(stack, vpc),
      databaseName: 'shop',
      vpc,
      rotateSecretEvery: Duration.days(30),
      scheduledViews: [],
      schedules: {},
      alarmEmails: ['one@example.com'],
    })
    views.topics.mail.addSubscription(new EmailSubscription('later@example.com'))
    views.notices.addSubscription(new SqsSubscription(new Queue(stack, 'Own')))
    return new Synthesized(stack)
  }) as [Synthesized, Synthesized]

  test('keeps every resource whose name another one could not have meanwhile', () => {
    expect(namesOf(before).length).toBeGreaterThan(25)
    expect(namesOf(after)).toEqual(namesOf(before))
  })

  test('has fixed names only for a reason', () => {
    expect([...new Set(namesOf(before).map(({ type }) => type))].sort()).toEqual(Object.keys(reasons).sort())
  })

  test('keeps the secret of the role, and every setting of a resource that stays', () => {
    const types = [
      'AWS::SecretsManager::Secret',
      'AWS::SecretsManager::RotationSchedule',
      'AWS::SNS::TopicPolicy',
      'AWS::SQS::QueuePolicy',
    ]
    for (const type of types) {
      expect(idsOf(before, type).length, type).toBeGreaterThan(0)
      expect(idsOf(after, type), type).toEqual(idsOf(before, type))
    }
  })

  test('keeps who has confirmed mails, also an address that the app has added', () => {
    const mailed = (stack: Synthesized) =>
      stack
        .resources('AWS::SNS::Subscription')
        .filter(([, { Properties }]) => Properties.Protocol === 'email')
        .map(([id, { Properties }]) => [Properties.Endpoint, id])
        .sort()
    expect(mailed(before).map(([address]) => address)).toEqual(['later@example.com', 'one@example.com'])
    expect(mailed(after)).toEqual(mailed(before))
  })

  test('keeps the subscription of a queue of the app', () => {
    const ofQueue = (stack: Synthesized) =>
      stack.one('AWS::SNS::Subscription', ({ Protocol }) => Protocol === 'sqs')
    expect(ofQueue(after)).toEqual(ofQueue(before))
  })

  test('makes nothing else anew than what may be', () => {
    const kept = new Set(Object.keys(after.template.toJSON().Resources))
    const gone = Object.entries(before.template.toJSON().Resources as Record<string, { Type: string }>)
      .filter(([id]) => !kept.has(id))
      .filter(([, { Type }]) => Type !== 'AWS::SNS::Subscription')
      .map(([, { Type }]) => Type)
    expect([...new Set(gone)].sort()).toEqual(replaced)
  })
})

test('environments whose names differ in a hyphen stand in one stack', () => {
  const { stack, vpc } = ownStack()
  const database = instanceIn(stack, vpc)
  for (const environmentName of ['a-1', 'a1'])
    viewkeeperOn(new Construct(stack, environmentName), { database, vpc }, { environmentName })
  expect(new Synthesized(stack).resources('AWS::SSM::Parameter')).toHaveLength(2)
})

const idsOf = (stack: Synthesized, type: string) =>
  stack
    .resources(type)
    .map(([id]) => id)
    .sort()

/** Each fixed name with its resource. An API's name may be taken. */
function namesOf({ template }: Synthesized) {
  return Object.entries(template.toJSON().Resources as Record<string, { Type: string; Properties: object }>)
    .flatMap(([id, { Type, Properties }]) =>
      Object.entries(Properties ?? {})
        .filter(([field, value]) => /Name$/.test(field) && typeof value === 'string')
        .filter(([field]) => field !== 'GroupName' && !Type.startsWith('AWS::ApiGateway'))
        .filter(([, value]) => /test/.test(value))
        .map(([, name]) => ({ type: Type, name: name as string, id })),
    )
    .sort((one, other) => (one.name + one.type < other.name + other.type ? -1 : 1))
}
