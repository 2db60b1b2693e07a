import { type App, CfnParameter, Duration, Fn, Stack, Stage, TimeZone } from 'aws-cdk-lib'
import { SlackChannelConfiguration } from 'aws-cdk-lib/aws-chatbot'
import { Peer } from 'aws-cdk-lib/aws-ec2'
import {
  AccountPrincipal,
  AnyPrincipal,
  ArnPrincipal,
  type IGrantable,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam'
import { ApplicationLogLevel } from 'aws-cdk-lib/aws-lambda'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { describe, expect, test } from 'vitest'
import { DatabaseServer } from '../../../infra/database/server.ts'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { eachCase } from '../../support/deep.ts'
import { instanceIn, ownApp, ownStack, ownVpc, serverOf, viewkeeperOn } from '../support/own-app.ts'
import { everyFunction, functionNames, type Permission, Synthesized } from '../support/synth.ts'

/** Viewkeeper on a server that is there, in a stack of its own in somebody's app. */
function create(more: Partial<ViewkeeperProps> = {}, stack = new Stack(ownApp(), 'Own'), id = 'Viewkeeper') {
  const props = {
    environmentName: 'test',
    database: DatabaseServer.fromAttributes({ host: 'db.example.com', peer: Peer.ipv4('203.0.113.7/32') }),
    databaseName: 'shop',
    vpc: ownVpc(stack, `${id}Vpc`),
    loginSecret: new Secret(stack, `${id}Login`),
    scheduledViews: [],
    ...more,
  }
  return { viewkeeper: new Viewkeeper(stack, id, props), stack, app: stack.node.root as App }
}

describe('props that are not valid are refused, each by its name', () => {
  test('together, under the path of the construct', () => {
    const wrong = {
      environmentName: 'Test',
      batchConcurrency: 0,
      logRetention: 31 as number,
      alarmEmail: ['one@example.com'],
      nightlyAt: '9',
      migrationsFolder: '/no/such/folder',
    } as Partial<ViewkeeperProps>
    let message = ''
    try {
      create(wrong)
    } catch (error) {
      message = (error as Error).message
    }
    const [title, ...problems] = message.split('\n  ')
    expect(title).toBe('The props of Viewkeeper Own/Viewkeeper are not valid:')
    expect(problems.sort()).toEqual([
      'alarmEmail: unknown field: did you mean alarmEmails?',
      expect.stringMatching(/^batchConcurrency: /),
      expect.stringMatching(/^environmentName: must have at most 20 lower-case letters/),
      expect.stringMatching(/^logRetention: must be one of 1, 3, 5/),
      'migrationsFolder: there is no folder /no/such/folder',
      'nightlyAt: must look like "09:00"',
    ])
  })

  const secret = () => new Secret(new Stack(), 'Secret')
  eachCase<[string, Record<string, unknown>, string]>(
    [
      ['no database', { database: undefined }, 'database: is required'],
      ['a server without its network', { vpc: undefined }, 'vpc: is required'],
      ['a deploy that says nonsense', { viewMigrations: 'maybe' }, 'viewMigrations: must be true or false'],
      [
        'mails to topics of others',
        { alarmEmails: ['a@example.com'], topics: {} },
        'alarmEmails: must be left out with topics',
      ],
      [
        'a secret for IAM',
        { iamAuthentication: true, loginSecret: secret() },
        'loginSecret: must be left out with iamAuthentication',
      ],
      [
        'quiet hours that end as they begin',
        { quiet: { from: '22:00', to: '22:00' } },
        'quiet: to: must not be the time of from',
      ],
      [
        'quiet hours of no time zone',
        { quiet: { from: '22:00', to: '06:00', timeZone: TimeZone.of('Berlin') } },
        'quiet.timeZone: must be the IANA name',
      ],
      ['quiet hours of no day', { quiet: { from: '22:00', to: '06:00', days: ['Sat'] } }, 'quiet.days.0: '],
      [
        'quiet hours of no time',
        { quiet: { from: '22:00', to: '6:00' } },
        'quiet.to: must look like "09:00"',
      ],
      [
        'no Duration',
        { monitorInterval: 5 as never },
        'monitorInterval: must be a Duration of 1 to 60 minutes',
      ],
      [
        'part of an hour',
        { skipAtMost: Duration.minutes(90) },
        'skipAtMost: must be a Duration of 1 to 720 hours',
      ],
      [
        'too long a time',
        { regularUpTo: Duration.seconds(2) },
        'regularUpTo: must be a Duration of 0 to 1000 milliseconds',
      ],
      [
        'looks of none',
        { monitor: false, monitorInterval: Duration.minutes(5) },
        'monitorInterval: must be left out with monitor: false',
      ],
      ['an old name', { monitorEveryMinutes: 5 } as never, 'monitorEveryMinutes: unknown field'],
      ['a domain of no API', { api: false, apiDomain: {} }, 'apiDomain: must be left out with api: false'],
      [
        'a night of no schedules',
        { schedules: false, nightlyAt: '02:00' },
        'nightlyAt: must be left out with schedules: false',
      ],
      [
        'a time zone by its name',
        { nightlyTimeZone: 'UTC' },
        'nightlyTimeZone: must be a TimeZone of aws-cdk-lib',
      ],
      ['a level that nothing logs at', { logLevel: ApplicationLogLevel.FATAL }, 'logLevel: Invalid option'],
      ['a number of bytes', { maxShadowSize: 1024 }, 'maxShadowSize: must be a Size of aws-cdk-lib'],
      [
        'a number that only the deploy knows',
        { requestsPerSecond: new CfnParameter(new Stack(), 'Rate', { type: 'Number' }).valueAsNumber },
        'requestsPerSecond: is known to the deploy alone, and the template depends on it: write the value out',
      ],
      [
        'a name that only the deploy knows',
        { environmentName: Fn.importValue('Name') },
        'environmentName: is known to the deploy alone',
      ],
      [
        'a user without IAM',
        { loginUser: 'views' },
        'loginUser: must be left out with iamAuthentication: false',
      ],
    ],
    { quick: 3 },
  )('%s', (_, wrong, message) => {
    expect(() => create(wrong)).toThrow(message)
  })
})

describe('what a user reaches of it', () => {
  const topics = (stack: Stack) => ({
    mail: new Topic(stack, 'OwnMail'),
    notices: new Topic(stack, 'OwnNotices'),
  })
  const own = new Stack(ownApp(), 'Own')
  const { viewkeeper } = create({ topics: topics(own), dashboard: false }, own)
  const stack = new Synthesized(own)

  test('every function and every alarm, by name', () => {
    expect(Object.keys(viewkeeper.functions).sort()).toEqual(functionNames)
    const { ref } = viewkeeper.functions.refresh.node.defaultChild as unknown as { ref: string }
    expect(own.resolve(ref)).toEqual({ Ref: stack.fn('refresh')[0] })
    const named = Object.keys(viewkeeper.alarms).map((name) => `viewkeeper-test-${name}`)
    const made = stack.properties('AWS::CloudWatch::Alarm').map(({ AlarmName }) => AlarmName)
    expect(named.toSorted()).toEqual(made.toSorted())
    expect(named).toContain('viewkeeper-test-silent-monitor')
  })

  test('a channel of Slack may listen to the notices', () => {
    const slack = new Stack(ownApp(), 'Slack')
    const { topics } = create({}, slack).viewkeeper
    new SlackChannelConfiguration(slack, 'Channel', {
      slackChannelConfigurationName: 'views',
      slackWorkspaceId: 'T0123456789',
      slackChannelId: 'C0123456789',
      notificationTopics: [topics.notices],
    })
    const [, { Properties }] = new Synthesized(slack).one('AWS::Chatbot::SlackChannelConfiguration')
    expect(Properties.SnsTopicArns).toEqual([slack.resolve(topics.notices.topicArn)])
  })

  test("with topics of the user's, none is made, and send may publish to theirs", () => {
    const made = stack.properties('AWS::SNS::Topic').flatMap((of) => of?.TopicName ?? [])
    expect(made).toEqual([])
    const { mail, notices } = viewkeeper.topics
    const published = stack.permissions('send').filter(({ action }) => action === 'sns:Publish')
    expect(published.map(({ resource }) => resource)).toEqual(own.resolve([mail.topicArn, notices.topicArn]))
    const [, { Properties: silent }] = stack.one(
      'AWS::CloudWatch::Alarm',
      ({ AlarmName }) => AlarmName === 'viewkeeper-test-silent-monitor',
    )
    expect(silent.AlarmActions).toEqual(own.resolve([mail, notices].map(({ topicArn }) => topicArn)))
  })

  test('no dashboard, if the app wants none', () => {
    expect(stack.resources('AWS::CloudWatch::Dashboard')).toEqual([])
    expect(viewkeeper.dashboardName).toBeUndefined()
    expect(create().viewkeeper.dashboardName).toBeDefined()
  })
})

describe('a grant', () => {
  const { stack: own, viewkeeper } = create()
  const grants = [
    ['reader', viewkeeper.grantRead.bind(viewkeeper), 'read'],
    ['refresher', viewkeeper.grantRefresh.bind(viewkeeper), 'refresh'],
    ['operator', viewkeeper.grantOperate.bind(viewkeeper), 'operate'],
    ['author', viewkeeper.grantDefine.bind(viewkeeper), 'define'],
  ] as const
  for (const [id, grant] of grants)
    grant(new Role(own, id, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') }))
  const stack = new Synthesized(own)
  const allowedBy = (statements: { Action: string; Resource: unknown }[]): Permission[] =>
    statements.flatMap(({ Action, Resource }) =>
      [Resource].flat().map((resource) => ({ action: Action, resource: JSON.stringify(resource) })),
    )

  test.each(grants)('to %s allows exactly what the managed policy allows', (id, _, policy) => {
    const [, { Properties: granted }] = stack.one('AWS::IAM::Policy', ({ PolicyName }) =>
      PolicyName.startsWith(id),
    )
    const [, { Properties: managed }] = stack.one('AWS::IAM::ManagedPolicy', ({ ManagedPolicyName }) =>
      JSON.stringify(ManagedPolicyName).includes(`viewkeeper-test-${policy}-`),
    )
    const sorted = (document: { Statement: never }) =>
      allowedBy(document.Statement)
        .map((each) => JSON.stringify(each))
        .sort()
    expect(sorted(granted.PolicyDocument)).toEqual(sorted(managed.PolicyDocument))
  })

  describe('to somebody whom no policy of this account allows anything is refused, with what does it', () => {
    const other = '210987654321'
    const here = () =>
      new Stack(ownApp(), 'Own', { env: { account: '123456789012', region: 'eu-central-1' } })
    const arn = `arn:aws:iam::${other}:role/caller`

    test.each<[string, (stack: Stack) => IGrantable, assumedBy: string]>([
      ['another account', () => new AccountPrincipal(other), `new AccountPrincipal('${other}')`],
      ['a role by its ARN', () => new ArnPrincipal(arn), `new ArnPrincipal('${arn}')`],
      [
        'a role of another account that is imported',
        (stack) => Role.fromRoleArn(stack, 'Other', arn),
        `new ArnPrincipal('${arn}')`,
      ],
      ['everybody', () => new AnyPrincipal(), 'principal'],
      ['a service', () => new ServicePrincipal('lambda.amazonaws.com'), 'principal'],
    ])('%s', (_, principal, assumedBy) => {
      const stack = here()
      const { viewkeeper: views } = create({}, stack)
      expect(() => views.grantRefresh(principal(stack))).toThrow(
        `  const caller = new Role(this, 'ViewsCaller', { assumedBy: ${assumedBy} })\n  views.grantRefresh(caller)`,
      )
    })

    test('and what the refusal names does it: the other account assumes a role of this one', () => {
      const stack = here()
      const { viewkeeper: views } = create({}, stack)
      const caller = new Role(stack, 'ViewsCaller', { assumedBy: new AccountPrincipal(other) })
      views.grantRefresh(caller).assertSuccess()
      const [, { Properties: role }] = new Synthesized(stack).one('AWS::IAM::Role', (each) =>
        JSON.stringify(each.AssumeRolePolicyDocument).includes(other),
      )
      expect(role.AssumeRolePolicyDocument.Statement).toMatchObject([{ Action: 'sts:AssumeRole' }])
    })

    test('a role of this account that is imported gets its policy', () => {
      const stack = here()
      const { viewkeeper: views } = create({}, stack)
      const role = Role.fromRoleArn(stack, 'Mine', 'arn:aws:iam::123456789012:role/mine')
      views.grantRefresh(role).assertSuccess()
      const policies = new Synthesized(stack).properties('AWS::IAM::Policy')
      expect(policies.flatMap(({ Roles }) => Roles)).toContain('mine')
    })
  })
})

describe('several in one stack', () => {
  const own = new Stack(ownApp(), 'Own')
  const names = ['one', 'two']
  for (const environmentName of names)
    create({ environmentName, refreshOnDeploy: true }, own, environmentName)
  const stack = new Synthesized(own)

  test('have names of their own', () => {
    for (const name of names) expect(stack.functions(name)).toEqual(everyFunction)
    const parameters = stack.properties('AWS::SSM::Parameter').map(({ Name }) => Name)
    expect(parameters).toEqual(['/viewkeeper/one', '/viewkeeper/two'])
  })

  test('are tagged with their names', () => {
    for (const name of names) {
      const [, { Properties }] = stack.one('AWS::SQS::Queue', ({ QueueName }) =>
        QueueName.includes(`-${name}-`),
      )
      expect(Properties.Tags).toEqual([{ Key: 'viewkeeper:environment', Value: name }])
    }
  })

  test('each is migrated by a call of its own', () => {
    expect(stack.resources('Custom::ViewkeeperMigration')).toHaveLength(2)
    expect(stack.resources('Custom::ViewkeeperRefresh')).toHaveLength(2)
  })
})

test('two environments of one name are refused, unless they go elsewhere', () => {
  const app = ownApp()
  create({}, new Stack(app, 'First'))
  expect(() => create({}, new Stack(app, 'Second'))).toThrow(
    /environmentName: must be another, because First\/Viewkeeper/,
  )
  const elsewhere = (region: string) => ({ env: { account: '123456789012', region } })
  create({}, new Stack(app, 'Elsewhere', elsewhere('eu-west-1')))
  create({}, new Stack(app, 'Region', elsewhere('us-east-1')))
  expect(() => create({}, new Stack(app, 'Again', elsewhere('us-east-1')))).toThrow(/Region\/Viewkeeper has/)
  create({}, new Stack(new Stage(app, 'Stage'), 'First'))
})

test('what is in another account or region is refused, by its prop', () => {
  const app = ownApp()
  const at = (region: string) => ({ env: { account: '123456789012', region } })
  const there = new Stack(app, 'There', at('us-east-1'))
  const vpc = ownVpc(there)
  const database = serverOf(instanceIn(there, vpc))
  expect(() =>
    create({ database, vpc, databaseName: 'shop' }, new Stack(app, 'Here', at('eu-west-1'))),
  ).toThrow(/database: is in 123456789012\/us-east-1, and the environment in 123456789012\/eu-west-1/)
})

describe('a secret of another account or region is refused at synth: its deploy would fail half-way', () => {
  const here = { account: '123456789012', region: 'eu-west-1' }
  const arn = (place: Partial<typeof here>) => {
    const { account, region } = { ...here, ...place }
    return `arn:aws:secretsmanager:${region}:${account}:secret:login-AbCdEf`
  }
  test.each([
    ['loginSecret', { region: 'us-east-1' }],
    ['loginSecret', { account: '210987654321' }],
    ['adminSecret', { account: '210987654321' }],
  ] as const)('%s of %j', (prop, place) => {
    const stack = new Stack(ownApp(), 'Own', { env: here })
    const secret = Secret.fromSecretCompleteArn(stack, 'Given', arn(place))
    expect(() => create({ loginSecret: undefined, [prop]: secret }, stack)).toThrow(`${prop}: is in `)
  })

  test('one of this account and region is taken', () => {
    const stack = new Stack(ownApp(), 'Own', { env: here })
    const loginSecret = Secret.fromSecretCompleteArn(stack, 'Given', arn({}))
    expect(() => create({ loginSecret }, stack)).not.toThrow()
  })
})

test('topics of another account are taken, and of another region refused, with the line to write', () => {
  const topicsOf = (account: string, region: string) => {
    const { stack, vpc } = ownStack({ env: { account: '123456789012', region: 'eu-central-1' } })
    const topic = (name: string) =>
      Topic.fromTopicArn(stack, name, `arn:aws:sns:${region}:${account}:${name}`)
    viewkeeperOn(
      stack,
      { database: instanceIn(stack, vpc), vpc },
      { topics: { mail: topic('mail'), notices: topic('notices') } },
    )
    return new Synthesized(stack)
  }
  const alarms = topicsOf('210987654321', 'eu-central-1').properties('AWS::CloudWatch::Alarm')
  expect(alarms.flatMap(({ AlarmActions = [] }) => AlarmActions)).toContain(
    'arn:aws:sns:eu-central-1:210987654321:mail',
  )
  expect(() => topicsOf('123456789012', 'eu-west-1')).toThrow(
    /mail: is in 123456789012\/eu-west-1, .* alarms reach topics of their own region alone: leave it out/,
  )
})

test('a database may have any name, and one that the deploy makes up', () => {
  for (const databaseName of ['my-shop', Fn.importValue('Name')]) {
    const { stack, vpc } = ownStack()
    viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { databaseName })
    const [, { Properties }] = new Synthesized(stack).fn('refresh')
    expect(Properties.Environment.Variables.DATABASE_NAME).toEqual(stack.resolve(databaseName))
  }
})
