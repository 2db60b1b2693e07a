import { expect, test } from 'vitest'
import { addressKeys } from '../../../src/api/lambda/aws-names.ts'
import { type PolicyName, policyNames } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { kinds, type Properties, type Synthesized } from '../support/synth.ts'

const isNamed = (name: string) => (properties: Properties) =>
  JSON.stringify(properties.ManagedPolicyName).includes(`viewkeeper-test-${name}-`)

const statementsOf = (stack: Synthesized, name: PolicyName): { Action: string; Resource: unknown }[] =>
  stack.one('AWS::IAM::ManagedPolicy', isNamed(name))[1].Properties.PolicyDocument.Statement

/** What a policy allows, with references as their names. */
const resourcesOf = (stack: Synthesized, name: PolicyName, action: string): string[] => {
  const [statement] = statementsOf(stack, name).filter(({ Action }) => Action === action)
  return [statement?.Resource ?? []].flat().map(written)
}

const written = (value: unknown): string => {
  if (typeof value === 'string') return value
  const reference = value as { Ref?: string; 'Fn::GetAtt'?: string[]; 'Fn::Join'?: [string, unknown[]] }
  return (
    reference['Fn::Join']?.[1].map(written).join(reference['Fn::Join'][0]) ??
    `<${reference.Ref ?? reference['Fn::GetAtt']?.join('.')}>`
  )
}

const reads = [
  'GET/batches',
  'GET/batches/*',
  'GET/actions',
  'GET/days',
  'GET/view-metrics',
  'GET/openapi.json',
  'GET/plan',
  'GET/runs',
  'GET/runs/*',
  'GET/views',
  'GET/views/*',
  'GET/views/*/why',
]
const refreshes = ['POST/batches', 'POST/views/*/refresh', 'POST/views/*/check']
const operates = [
  'POST/batches/*/cancel',
  'POST/pause',
  'POST/quiet',
  'POST/resume',
  'POST/runs/*/cancel',
  'POST/views/*/pause',
  'POST/views/*/resume',
]

test.each([
  ['read', 'Viewkeeper test. Reads views, runs, batches and metrics'],
  ['refresh', 'Viewkeeper test. Reads, and refreshes views'],
  ['operate', 'Viewkeeper test. Reads, refreshes, cancels, pauses, and sets off alarms'],
  ['define', 'Viewkeeper test. Everything: also creates, drops and migrates views'],
])(
  'the description of %s is what it has always been: with another one, no deploy succeeds',
  (name, description) => {
    const [, { Properties }] = kinds.imported.one('AWS::IAM::ManagedPolicy', isNamed(name))
    expect(Properties.Description).toBe(description)
  },
)

test.each([
  ['read', reads],
  ['refresh', [...reads, ...refreshes]],
  ['operate', [...reads, ...refreshes, ...operates]],
  ['define', Object.values(routes).map(({ method, path }) => method + path.replace(/\{.*?\}/, '*'))],
] as const)('%s allows exactly its routes, of this API only', (name, expected) => {
  const [api] = kinds.created.one('AWS::ApiGatewayV2::Api')
  const prefix = `arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${api}>/$default/`
  expect(resourcesOf(kinds.created, name, 'execute-api:Invoke').toSorted()).toEqual(
    expected.map((route) => prefix + route).toSorted(),
  )
})

test('only operate and define may set off an alarm, and only define may call migrate and see who gets the mails, of this environment', () => {
  const [migrate] = kinds.created.fn('migrate')
  const actions = (name: PolicyName) => statementsOf(kinds.created, name).map(({ Action }) => Action)
  for (const name of ['read', 'refresh'] as const)
    expect(actions(name)).toEqual(['execute-api:Invoke', 'ssm:GetParameter'])
  expect(actions('operate')).toEqual(['execute-api:Invoke', 'ssm:GetParameter', 'cloudwatch:SetAlarmState'])
  expect(actions('define')).toEqual([
    ...actions('operate'),
    'lambda:InvokeFunction',
    'sns:ListSubscriptionsByTopic',
  ])
  const [mail] = kinds.created.one('AWS::SNS::Topic', ({ TopicName }) => TopicName === 'viewkeeper-test-mail')
  expect(resourcesOf(kinds.created, 'define', 'sns:ListSubscriptionsByTopic')).toEqual([`<${mail}>`])
  expect(resourcesOf(kinds.created, 'define', 'lambda:InvokeFunction')).toEqual([`<${migrate}.Arn>`])
  const prefix = 'arn:<AWS::Partition>:cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:'
  const allowed = resourcesOf(kinds.created, 'operate', 'cloudwatch:SetAlarmState')
  const made = kinds.created.properties('AWS::CloudWatch::Alarm')
  expect(allowed).toEqual(expect.arrayContaining(made.map(({ AlarmName }) => prefix + AlarmName)))
  // A beginning would name the alarms of an environment whose name begins with that of this one, too.
  expect(allowed.filter((arn) => arn.includes('*'))).toEqual([])
})

test('every policy may read the parameter of this environment and no other', () => {
  const [, { Properties }] = kinds.imported.one('AWS::SSM::Parameter')
  expect(Properties.Name).toBe('/viewkeeper/test')
  for (const name of policyNames)
    expect(resourcesOf(kinds.imported, name, 'ssm:GetParameter')).toEqual([
      `arn:<AWS::Partition>:ssm:eu-central-1:123456789012:parameter/viewkeeper/test`,
    ])
})

test('the parameter says where the API is, and what other apps grant and listen to', () => {
  const [api] = kinds.created.one('AWS::ApiGatewayV2::Api')
  const [, { Properties }] = kinds.created.one('AWS::SSM::Parameter')
  expect(Properties.Type).toBe('StringList')
  const values = written(Properties.Value).split(',')
  expect(Object.fromEntries(addressKeys.map((key, at) => [key, values[at]]))).toEqual({
    physicalName: 'test',
    eventBus: 'default',
    apiUrl: `https://<${api}>.execute-api.<AWS::Region>.<AWS::URLSuffix>/`,
    apiArn: `arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${api}>/$default`,
    migrateArn: `<${kinds.created.fn('migrate')[0]}.Arn>`,
    mailTopicArn: written({
      Ref: kinds.created.one('AWS::SNS::Topic', ({ TopicName }) => TopicName === 'viewkeeper-test-mail')[0],
    }),
    noticesTopicArn: written({
      Ref: kinds.created.one(
        'AWS::SNS::Topic',
        ({ TopicName }) => TopicName === 'viewkeeper-test-notices',
      )[0],
    }),
  })
})

test.each(Object.values(kinds))('a policy has at most 6,144 characters, without spaces', (stack) => {
  for (const name of policyNames) {
    const statements = statementsOf(stack, name).map((statement) => ({
      ...statement,
      Resource: [statement.Resource].flat().map(written),
    }))
    expect(JSON.stringify(statements).length).toBeLessThan(6_000)
  }
})
