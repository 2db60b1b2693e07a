import { describe, expect, test } from 'vitest'
import { eventSource } from '../../../src/words/event.ts'
import { functionNames, kinds, outside, type Synthesized } from '../support/synth.ts'

const inside = functionNames.filter((name) => !outside.includes(name))
const networkInterfaces = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
]
const ofEach = [
  ...networkInterfaces,
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'secretsmanager:GetSecretValue',
]
const queue = ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage']

describe.each(Object.entries(kinds))('%s', (kind, stack) => {
  test.each(inside)('%s may do what it needs and nothing else', (name) => {
    const expected = new Set(ofEach)
    if (['create', 'refresh', 'drop', 'prune'].includes(name))
      for (const action of queue) expected.add(action)
    if (kind.startsWith('imported')) expected.add('kms:Decrypt')
    expect(actions(stack, name)).toEqual([...expected].sort())
  })

  test('start-batch may open a batch, start its execution, and nothing else', () => {
    const [machine] = stack.one('AWS::StepFunctions::StateMachine')
    const found = stack.permissions('start-batch').filter(({ action }) => !/^logs:/.test(action))
    expect(found).toEqual([
      { action: 'lambda:InvokeFunction', resource: { 'Fn::GetAtt': [stack.fn('batch')[0], 'Arn'] } },
      { action: 'states:StartExecution', resource: { Ref: machine } },
    ])
  })

  test('send may ask news, publish to the two topics of people and count who listens, put events of its own source on its bus, call start-batch, and nothing else', () => {
    const own = stack.permissions('send').filter(({ action }) => !/^logs:/.test(action))
    const topic = (name: string) => ({
      Ref: stack.one('AWS::SNS::Topic', ({ TopicName }) => TopicName === `viewkeeper-test-${name}`)[0],
    })
    const put = own.filter(({ action }) => action === 'events:PutEvents')
    expect(put).toMatchObject([{ condition: { StringEqualsIfExists: { 'events:source': eventSource } } }])
    expect(JSON.stringify(put.map(({ resource }) => resource))).toContain(':event-bus/default')
    expect(own.filter((each) => !put.includes(each))).toEqual([
      { action: 'lambda:InvokeFunction', resource: { 'Fn::GetAtt': [stack.fn('monitor')[0], 'Arn'] } },
      { action: 'lambda:InvokeFunction', resource: { 'Fn::GetAtt': [stack.fn('start-batch')[0], 'Arn'] } },
      { action: 'sns:GetTopicAttributes', resource: topic('mail') },
      { action: 'sns:GetTopicAttributes', resource: topic('notices') },
      { action: 'sns:Publish', resource: topic('mail') },
      { action: 'sns:Publish', resource: topic('notices') },
    ])
  })

  test.each(functionNames)('%s writes into its own log group and no other', (name) => {
    const [group] = stack.one('AWS::Logs::LogGroup', (p) => p.LogGroupName === `/viewkeeper/test/${name}`)
    const written = stack.permissions(name).filter(({ action }) => action.startsWith('logs:'))
    for (const { resource } of written) expect(resource).toEqual({ 'Fn::GetAtt': [group, 'Arn'] })
  })

  test('no statement allows a wildcard of actions', () => {
    const allowed = allStatements(stack).filter(({ Effect }) => Effect === 'Allow')
    expect(allowed.length).toBeGreaterThan(10)
    expect(allowed.flatMap(({ Action }) => Action).filter((action) => action.includes('*'))).toEqual([])
  })

  test('only what has no name is allowed on every resource: network interfaces, log delivery, traces', () => {
    const everywhere = allStatements(stack).filter(
      ({ Effect, Resource }) => Effect === 'Allow' && Resource === '*',
    )
    const actions = [...new Set(everywhere.flatMap(({ Action }) => Action))].sort()
    expect(actions.filter((action) => !/^(logs|xray):/.test(action))).toEqual(networkInterfaces)
    expect(actions.length).toBeGreaterThan(networkInterfaces.length)
  })
})

test("a function's network interfaces are Lambda's business: its own code may not touch one", () => {
  for (const name of inside) {
    const found = kinds.created.permissions(name).filter(({ action }) => action.startsWith('ec2:'))
    expect(found.map(({ action }) => action).sort()).toEqual(networkInterfaces)
    for (const { condition } of found)
      expect(condition).toEqual({ Null: { 'lambda:SourceFunctionArn': 'true' } })
  }
})

test('an imported secret is decrypted with its own key, through Secrets Manager only', () => {
  for (const name of inside)
    expect(kinds.imported.permissions(name)).toContainEqual({
      action: 'kms:Decrypt',
      resource: 'arn:aws:kms:eu-central-1:123456789012:key/1234',
      condition: { StringEquals: { 'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com' } },
    })
})

const actions = (stack: Synthesized, name: string) =>
  [...new Set(stack.permissions(name).map(({ action }) => action))].sort()

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
}

/** Every statement of every role, whether in the role or beside it. */
function allStatements(stack: Synthesized): Statement[] {
  const beside = stack.properties('AWS::IAM::Policy').map(({ PolicyDocument }) => PolicyDocument)
  const inside = stack
    .resources('AWS::IAM::Role')
    .flatMap(([, { Properties }]) => Properties.Policies ?? [])
    .map(({ PolicyDocument }) => PolicyDocument)
  return [...beside, ...inside].flatMap(({ Statement }) => Statement)
}
