import { ExecutionError } from 'aws-local-stepfunctions'
import { describe, expect, test } from 'vitest'
import { mayRetry, problemCodes, statusOf } from '../../../src/words/problem.ts'
import { execute, executionName, readDefinition } from '../support/machine.ts'
import { kinds, type Properties } from '../support/synth.ts'

const stack = kinds.imported
const [, machine] = stack.one('AWS::StepFunctions::StateMachine')
const definition = readDefinition(machine.Properties)
const [retry] = definition.States.Advance.Retry
const [refused, patient] = definition.States.Open.Retry
const batch = { batchId: '20261120-090000-1f3c9a2b' }
const event = { trigger: 'schedule', schedule: 'nightly', scheduledTime: '2026-11-20T09:00:00Z', all: true }
const goesOn = { batchId: 'not the one to go on with', done: false }
const ended = (status: string, error: object | null = null) => ({ ...batch, done: true, status, error })

describe('an execution for an event', () => {
  const opened = { answer: null, ...batch }

  test('opens the batch, with the event and a name that no retry changes, and then advances it', async () => {
    const { opens, calls, outcome } = run([goesOn, ended('success')], { input: event, opened: [opened] })
    expect(await outcome).toEqual(ended('success'))
    expect(opens).toEqual([{ event, requestId: executionName }])
    expect(calls).toEqual([batch, batch])
  })

  test('of which nothing has to be advanced succeeds at once: the batch was skipped, or has ended', async () => {
    const nothing = { answer: null, batchId: null }
    const { calls, outcome } = run([], { input: event, opened: [nothing] })
    expect(await outcome).toEqual(nothing)
    expect(calls).toEqual([])
  })

  test('tries again for as long as there are retries, whatever the error', async () => {
    const errors = failures(patient.MaxAttempts)
    const { opens, outcome } = run([ended('success')], { input: event, opened: [...errors, opened] })
    expect(await outcome).toEqual(ended('success'))
    expect(opens).toEqual(Array(patient.MaxAttempts + 1).fill({ event, requestId: executionName }))
  })

  test('fails when the error does not go away, and its event is a dead letter: no record has a batch', async () => {
    const errors = failures(patient.MaxAttempts + 1)
    const { opens, buried, outcome } = run([], { input: event, opened: errors })
    await expect(outcome).rejects.toMatchObject({ cause: { message: 'It may pass.' } })
    expect(opens).toHaveLength(patient.MaxAttempts + 1)
    const failed = { Error: errors.at(-1)!.name, Cause: 'It may pass.' }
    expect(buried).toMatchObject([{ MessageBody: { ...event, failed } }])
  })

  test('fails with the same error if the queue is away, too', async () => {
    const { outcome } = run([], {
      input: event,
      opened: [failing('UnknownView')],
      bury: () => {
        throw failing('QueueDoesNotExist')
      },
    })
    await expect(outcome).rejects.toMatchObject({ cause: { name: 'UnknownView' } })
  })

  const permanent = ['InvalidRequest', 'UnknownView', 'DependencyCycle', 'IdempotencyKeyReused']
  test.each(permanent)('fails at once with %s, and its event is a dead letter', async (code) => {
    const { opens, buried, outcome } = run([], { input: event, opened: [failing(code)] })
    await expect(outcome).rejects.toMatchObject({ cause: { name: code } })
    expect(opens).toHaveLength(1)
    expect(buried).toMatchObject([{ MessageBody: { schedule: 'nightly', failed: { Error: code } } }])
  })

  test('retries each problem that may pass, and no other', () => {
    expect(refused.MaxAttempts).toBe(0)
    expect([...refused.ErrorEquals].sort()).toEqual(
      problemCodes.filter((code) => !mayRetry(code) && statusOf(code) !== 500).sort(),
    )
    expect(patient.ErrorEquals).toEqual(['States.ALL'])
  })
})

describe('an execution for a batch that is on record', () => {
  test('opens nothing, and calls advance, with the same batch each time, until it is done', async () => {
    const { opens, calls, outcome } = run([goesOn, goesOn, goesOn, ended('success')])
    expect(await outcome).toEqual(ended('success'))
    expect(calls).toEqual([batch, batch, batch, batch])
    expect(opens).toEqual([])
  })

  test('of a batch that was skipped succeeds', async () => {
    expect(
      await run([ended('skipped', { class: 'Paused', message: 'Everything is.' })]).outcome,
    ).toMatchObject({ status: 'skipped' })
  })

  test('of a batch that somebody has canceled succeeds: they know, and no alarm goes off', async () => {
    const canceled = ended('canceled', { class: 'Canceled', message: 'The batch was canceled.' })
    expect(await run([canceled]).outcome).toMatchObject({ status: 'canceled' })
  })

  test('of a batch that failed fails, and says what the batch says', async () => {
    const [name, message] = ['ViewsFailed', '1 of 2 views failed: app.sales (DiskFull).']
    const { outcome } = run([ended('failed', { class: name, message })])
    await expect(outcome).rejects.toBeInstanceOf(ExecutionError)
    await expect(outcome).rejects.toMatchObject({ cause: { name, message } })
  })

  test('outlives as many errors as there are retries, of whatever kind, and as many again at the next call', async () => {
    const errors = failures(retry.MaxAttempts)
    const { calls, outcome } = run([...errors, goesOn, ...errors, ended('success')])
    expect(await outcome).toEqual(ended('success'))
    expect(calls).toHaveLength(2 * retry.MaxAttempts + 2)
  })

  test('fails when the error does not go away', async () => {
    const { calls, outcome } = run([...failures(retry.MaxAttempts + 1), ended('success')])
    await expect(outcome).rejects.toMatchObject({ cause: { message: 'It may pass.' } })
    expect(calls).toHaveLength(retry.MaxAttempts + 1)
  })
})

test.each(['Open', 'Advance'])('%s is tried again for an hour, at least once a minute', (name) => {
  const { MaxAttempts, IntervalSeconds, BackoffRate, MaxDelaySeconds, ...more } =
    definition.States[name].Retry.at(-1)
  const waits = Array.from({ length: MaxAttempts }, (_, at) =>
    Math.min(IntervalSeconds * BackoffRate ** at, MaxDelaySeconds),
  )
  expect(waits.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
  const seconds = waits.reduce((sum, wait) => sum + wait)
  expect(seconds).toBeGreaterThanOrEqual(3600)
  expect(seconds).toBeLessThan(3700)
  expect(more).toEqual({ ErrorEquals: ['States.ALL'] })
})

test('a call may take as long as its function lives, and a batch several days', () => {
  const { Timeout } = stack.fn('batch')[1].Properties
  expect(definition.States.Advance.TimeoutSeconds).toBeGreaterThan(Timeout)
  expect(definition.States.Open.TimeoutSeconds).toBe(60)
  expect(definition.TimeoutSeconds).toBeGreaterThan(3 * 24 * 3600)
  expect(machine.Properties.StateMachineType ?? 'STANDARD').toBe('STANDARD')
})

test('the machine may call batch, send a dead letter, deliver its log and its traces, and nothing else', () => {
  const [roleId] = machine.Properties.RoleArn['Fn::GetAtt']
  const [, role] = stack.resources('AWS::IAM::Role').find(([id]) => id === roleId)!
  const statements = role.Properties.Policies.flatMap((policy: Properties) => policy.PolicyDocument.Statement)
  expect(statements).toMatchObject([
    {
      Action: 'lambda:InvokeFunction',
      Resource: { 'Fn::GetAtt': [stack.fn('batch')[0], 'Arn'] },
    },
    { Action: 'sqs:SendMessage', Resource: { 'Fn::GetAtt': [stack.one('AWS::SQS::Queue')[0], 'Arn'] } },
    { Resource: '*' },
  ])
  for (const action of statements[2].Action)
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

const failing = (name: string) => Object.assign(new Error('It may pass.'), { name })

/** Errors of several kinds that may pass: of the function, of Lambda, and of Step Functions. */
const failures = (count: number) =>
  Array.from({ length: count }, (_, at) =>
    failing(
      ['DatabaseUnavailable', 'Lambda.ResourceNotReadyException', 'Sandbox.Timedout', 'States.Timeout'][
        at % 4
      ]!,
    ),
  )

/** Runs the synthesized machine with functions that answer, or throw, what they are told in turn. */
function run(
  advanced: (object | Error)[],
  {
    input = batch,
    opened = [],
    bury = () => ({}),
  }: { input?: object; opened?: (object | Error)[]; bury?: () => object } = {},
) {
  const opens: unknown[] = []
  const calls: unknown[] = []
  const buried: unknown[] = []
  const inTurn = (answers: (object | Error)[], seen: unknown[]) => (given: unknown) => {
    const answer = answers[seen.push(given) - 1]
    if (answer instanceof Error) throw answer
    return answer
  }
  const outcome = execute(definition, input, {
    open: inTurn(opened, opens),
    advance: inTurn(advanced, calls),
    bury(letter) {
      buried.push(letter)
      return bury()
    },
  })
  return { opens, calls, buried, outcome }
}

const usesRole = ({ Roles }: Properties, role: string): boolean =>
  (Roles ?? []).some((used: { Ref?: string }) => used.Ref === role)
