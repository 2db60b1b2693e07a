import { Stack } from 'aws-cdk-lib'
import { Construct } from 'constructs'
import { expect, test } from 'vitest'
import { Viewkeeper } from '../../infra/viewkeeper.ts'
import { instanceIn, ownApp, ownStack, ownVpc, serverOf, viewkeeperOn } from './support/own-app.ts'
import { kinds, type Resource, Synthesized } from './support/synth.ts'

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
]

const templates = [kinds.created, kinds.imported]

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

test.each(['', '1st', '-a', 'a-', 'a--b', 'A', 'a_b', 'x'.repeat(21)])(
  'the name "%s" of an environment is refused',
  (environmentName) => {
    const { stack, vpc } = ownStack()
    const given = { database: instanceIn(stack, vpc), vpc }
    expect(() => viewkeeperOn(stack, given, { environmentName })).toThrow(
      'environmentName: must have at most 20 lower',
    )
  },
)

/** Why a name is the same in every deploy, by the type of what has it. CloudFormation makes up every other name. */
const reasons: Record<string, string> = {
  'AWS::ApiGatewayV2::Api': 'people look for it in a list',
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

test('names are fixed only for a reason', () => {
  const named = Object.entries(kinds.created.template.toJSON().Resources as Record<string, Resource>)
    .filter(([, { Properties }]) =>
      Object.entries(Properties ?? {}).some(
        ([field, value]) => /Name$/.test(field) && /viewkeeper|^test-/.test(JSON.stringify(value)),
      ),
    )
    .map(([, { Type }]) => Type)
  expect([...new Set(named)].filter((type) => !(type in reasons))).toEqual([])
})

/** What the resources of an environment are called that no second one of the type may be, and their logical ids. */
function namesIn(stack: Stack): Map<string, string> {
  const made = new Synthesized(stack)
  const unique = rules.filter(([type, field]) => type !== 'AWS::ApiGatewayV2::Api' && field !== 'GroupName')
  return new Map(
    unique.flatMap(([type, field]) =>
      made
        .resources(type)
        .map(([id, { Properties }]) => [`${type} ${JSON.stringify(Properties[field])}`, id] as const),
    ),
  )
}

test('a deployed construct gets any other id, and another scope, with another physicalName', () => {
  const under = (wrapper: string, id: string, physicalName?: string) => {
    const { stack, vpc } = ownStack()
    const database = serverOf(instanceIn(stack, vpc))
    const props = { environmentName: 'eu-shop', databaseName: 'shop', database, vpc, scheduledViews: [] }
    new Viewkeeper(new Construct(stack, wrapper), id, { ...props, ...(physicalName && { physicalName }) })
    return namesIn(stack)
  }
  const before = under('Reports', 'Views')
  const after = under('Shop', 'Fresh', 'eu-shop-2')
  expect(before.size).toBe(after.size)
  // CloudFormation makes the new resources first: a name that both have is one resource, or no deploy succeeds.
  const both = [...before].filter(([name]) => after.has(name))
  expect(both).toEqual([['AWS::SSM::Parameter "/viewkeeper/eu-shop"', 'ViewkeeperParametereuXshop']])
  for (const [name, id] of both) expect(after.get(name)).toBe(id)
})

test('one environment stands in two regions of an account: no name that belongs to the account is in both', () => {
  const app = ownApp()
  const [here, there] = ['eu-central-1', 'eu-west-1'].map((region) => {
    const stack = new Stack(app, region, { env: { account: '123456789012', region } })
    const vpc = ownVpc(stack)
    viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc })
    return stack
  })
  // What IAM has, and dashboards, are of all regions.
  const global = (stack: Stack | undefined) =>
    Object.values(new Synthesized(stack!).template.toJSON().Resources as Record<string, Resource>)
      .filter(({ Type }) => /^AWS::IAM::|^AWS::CloudWatch::Dashboard$/.test(Type))
      .flatMap(({ Type, Properties }) =>
        ['ManagedPolicyName', 'RoleName', 'DashboardName'].flatMap((field) =>
          field in Properties ? `${Type} ${JSON.stringify(Properties[field])}` : [],
        ),
      )
  expect(global(here)).toHaveLength(5)
  expect(global(here).filter((name) => global(there).includes(name))).toEqual([])
})

test('two environments of one app have no name in common', () => {
  const on = (names: { environmentName: string; physicalName?: string }[]) => () => {
    const { stack, vpc } = ownStack()
    const database = instanceIn(stack, vpc)
    for (const each of names)
      viewkeeperOn(new Construct(stack, each.environmentName), { database, vpc }, each)
  }
  expect(on([{ environmentName: 'one' }, { environmentName: 'two' }])).not.toThrow()
  expect(on([{ environmentName: 'one' }, { environmentName: 'two', physicalName: 'one' }])).toThrow(
    'physicalName: must be another, because Own/one/Viewkeeper has the name one, too',
  )
})
