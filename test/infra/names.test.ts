import { Construct } from 'constructs'
import { expect, test } from 'vitest'
import { Viewkeeper } from '../../infra/viewkeeper.ts'
import { instanceIn, ownStack, viewkeeperOn } from './support/own-app.ts'
import { kinds, type Resource } from './support/synth.ts'

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

const templates = [kinds.created]

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

test('a construct whose id somebody may want to change is refused: its names would be taken', () => {
  const on = (id: string, wrapper?: string) => {
    const { stack, vpc } = ownStack()
    const scope = wrapper === undefined ? stack : new Construct(stack, wrapper)
    const props = { environmentName: 'test', database: instanceIn(stack, vpc), databaseName: 'shop', vpc }
    return () => new Viewkeeper(scope, id, props)
  }
  expect(on('Views')).toThrow(/the id must be Viewkeeper or test, .* and not Views: under another id/)
  expect(on('Viewkeeper')).not.toThrow()
  expect(on('test')).not.toThrow()
  expect(on('Viewkeeper', 'Reports')).toThrow(/that of what wraps it, and not Reports:/)
  expect(on('Viewkeeper', 'test')).not.toThrow()
})
