import { ExecutionError, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions'
import { describe, expect, test } from 'vitest'
import { kinds, type Properties } from '../support/synth.ts'

const stack = kinds.imported
const [machineId, machine] = stack.one('AWS::StepFunctions::StateMachine')
const definition = readDefinition(machine.Properties)
const [retry] = definition.States.Advance.Retry
const input = { batchId: '20261120-090000-1f3c9a2b' }
const goesOn = { batchId: 'not the one to go on with', done: false }
const ended = (status: string, error: object | null = null) => ({ ...input, done: true, status, error })

describe('an execution', () => {
  test('calls advance, with its own input each time, until it is done', async () => {
    const { calls, outcome } = run([goesOn, goesOn, goesOn, ended('success')])
    expect(await outcome).toEqual(ended('success'))
    expect(calls).toEqual([input, input, input, input])
  })

  test('of a batch that was skipped succeeds', async () => {
    expect(
      await run([ended('skipped', { class: 'Paused', message: 'Everything is.' })]).outcome,
    ).toMatchObject({ status: 'skipped' })
  })

  test.each([
    ['failed', 'ViewsFailed', '1 of 2 views failed: app.sales (DiskFull).'],
    ['canceled', 'Canceled', 'The batch was canceled.'],
  ])('of a batch that %s fails, and says what the batch says', async (status, name, message) => {
    const { outcome } = run([ended(status, { class: name, message })])
    await expect(outcome).rejects.toBeInstanceOf(ExecutionError)
    await expect(outcome).rejects.toMatchObject({ cause: { name, message } })
  })

  test('outlives as many errors as there are retries, of whatever kind, and as many again at the next call', async () => {
    const kindsOfErrors = [
      'Sandbox.Timedout',
      'DatabaseUnavailable',
      'Lambda.TooManyRequestsException',
      'Error',
    ]
    const errors = Array.from({ length: retry.MaxAttempts }, (_, at) => failing(kindsOfErrors[at % 4]!))
    const { calls, outcome } = run([...errors, goesOn, ...errors, ended('success')])
    expect(await outcome).toEqual(ended('success'))
    expect(calls).toHaveLength(2 * retry.MaxAttempts + 2)
  })

  test('fails when the error does not go away', async () => {
    const errors = Array.from({ length: retry.MaxAttempts + 1 }, () => failing('DatabaseUnavailable'))
    const { calls, outcome } = run([...errors, ended('success')])
    await expect(outcome).rejects.toMatchObject({ cause: { name: 'DatabaseUnavailable' } })
    expect(calls).toHaveLength(retry.MaxAttempts + 1)
  })
})

test('retries last for longer than a failover, and are never more than a minute apart', () => {
  const waits = Array.from({ length: retry.MaxAttempts }, (_, at) =>
    Math.min(retry.IntervalSeconds * retry.BackoffRate ** at, retry.MaxDelaySeconds),
  )
  expect(waits.reduce((sum, wait) => sum + wait)).toBeGreaterThanOrEqual(15 * 60)
  expect(Math.max(...waits)).toBeLessThanOrEqual(60)
  expect(retry).not.toHaveProperty('JitterStrategy')
})

test('nothing catches an error, a call may take as long as advance lives, and a batch several days', () => {
  expect(definition.States.Advance).not.toHaveProperty('Catch')
  expect(definition.States.Advance.TimeoutSeconds).toBeGreaterThan(stack.fn('advance')[1].Properties.Timeout)
  expect(definition.TimeoutSeconds).toBeGreaterThan(3 * 24 * 3600)
  expect(machine.Properties.StateMachineType ?? 'STANDARD').toBe('STANDARD')
})

test('the machine may call advance, deliver its log and its traces, and nothing else', () => {
  const [roleId] = machine.Properties.RoleArn['Fn::GetAtt']
  const [, role] = stack.resources('AWS::IAM::Role').find(([id]) => id === roleId)!
  const statements = role.Properties.Policies.flatMap((policy: Properties) => policy.PolicyDocument.Statement)
  expect(statements).toMatchObject([
    { Action: 'lambda:InvokeFunction', Resource: { 'Fn::GetAtt': [stack.fn('advance')[0], 'Arn'] } },
    { Resource: '*' },
  ])
  for (const action of statements[1].Action)
    expect(action).toMatch(/^(logs:\w*(LogDeliver|ResourcePolic|LogGroups)|xray:)/)
  expect(stack.resources('AWS::IAM::Policy').filter(([, { Properties: p }]) => usesRole(p, roleId))).toEqual(
    [],
  )
})

test('every event is logged, into a group that forgets in time', () => {
  const { Level, Destinations } = machine.Properties.LoggingConfiguration
  expect(Level).toBe('ALL')
  const [id] = Destinations[0].CloudWatchLogsLogGroup.LogGroupArn['Fn::GetAtt']
  const [group, { Properties: p }] = stack.one('AWS::Logs::LogGroup', ({ LogGroupName }) =>
    /^\/aws\/vendedlogs\/.+\/batches$/.test(LogGroupName),
  )
  expect(group).toBe(id)
  expect(p.RetentionInDays).toBe(30)
})

test('people find the machine by an output', () => {
  expect(stack.template.findOutputs('StateMachineArn')).toEqual({
    StateMachineArn: { Value: { Ref: machineId } },
  })
})

const failing = (name: string) => Object.assign(new Error('It may pass.'), { name })

/** Runs the synthesized machine with an advance that answers, or throws, what it is told in turn. */
function run(answers: (object | Error)[]) {
  const calls: unknown[] = []
  const advance = (event: unknown) => {
    const answer = answers[calls.length]
    calls.push(event)
    if (answer instanceof Error) throw answer
    return answer as never
  }
  const { result } = new StateMachine(definition as unknown as StateMachineDefinition).run(input, {
    overrides: { taskResourceLocalHandlers: { Advance: advance }, retryIntervalOverrides: { Advance: 0 } },
  })
  return { calls, outcome: result }
}

/** The definition as AWS would read it: with an ARN where the template has a reference. */
function readDefinition({ DefinitionString }: Properties) {
  const text = DefinitionString['Fn::Join'][1]
    .map((part: string | { 'Fn::GetAtt': [string, string] }) =>
      typeof part === 'string'
        ? part
        : `arn:aws:lambda:eu-central-1:123456789012:function:${part['Fn::GetAtt'][0]}`,
    )
    .join('')
  return JSON.parse(text) as Properties
}

const usesRole = ({ Roles }: Properties, role: string): boolean =>
  (Roles ?? []).some((used: { Ref?: string }) => used.Ref === role)
