import { describe, expect, test, vi } from 'vitest'
import {
  answerHttp,
  bodyOf,
  idempotencyKeyOf,
  knownProblem,
  problemAnswer,
  waitUntilOf,
} from '../../../src/api/http.ts'
import { logger } from '../../../src/api/lambda/lifetime.ts'
import { deployedBatch, scheduledBatch } from '../../../src/api/lambda/open-batch.ts'
import { operation } from '../../../src/api/operation.ts'
import { batchPath, runPath, scheduleFields, validate, viewPath } from '../../../src/api/request-fields.ts'
import { routes } from '../../../src/api/routes.ts'
import { selectViews } from '../../../src/batch/plan/selection.ts'
import { version } from '../../../src/version.ts'
import { Problem, type ProblemCode, problemCodes, statusOf } from '../../../src/words/problem.ts'
import { parsed } from '../../support/aws/lambda.ts'

const createOptions = routes.createView.takes!.body!
const refreshOptions = routes.refreshView.takes!.body!
const dropOptions = routes.dropView.takes!.body!
const batchOptions = routes.startBatch.takes!.body!
const batchesQuery = routes.listBatches.takes!.query!
const metricsQuery = routes.getMetrics.takes!.query!
const runsQuery = routes.listRuns.takes!.query!
const viewsQuery = routes.listViews.takes!.query!

const asked = (headers: Record<string, string> = {}) => ({ headers, at: 1_800_000_000_000 })

describe('Prefer', () => {
  test.each([
    [undefined, 0],
    ['wait=20', 20],
    ['respond-async, wait=7', 7],
    ['respond-async; wait=7', 7],
    ['WAIT = 3', 3],
    ['wait="4"', 4],
    ['wait=9999', 25],
    ['wait=-1', 0],
    ['wait=soon', 0],
    ['await=9', 0],
  ])('%s waits %i s from when the request came in, at most 25', (prefer, seconds) => {
    const request = asked(prefer === undefined ? {} : { prefer })
    expect(waitUntilOf(request) - request.at).toBe(seconds * 1000)
    // No wait is longer than the concurrency that is reserved bears, and what is canceled has three seconds to end.
    expect(waitUntilOf(request, 0, 6) - request.at).toBe(Math.min(seconds, 6) * 1000)
    expect(waitUntilOf(request, 3) - request.at).toBe(Math.max(seconds, 3) * 1000)
  })
})

describe('the body', () => {
  test('is JSON; none is an empty object', () => {
    expect(bodyOf('{"a":1}')).toEqual({ a: 1 })
    expect(bodyOf('')).toEqual({})
    expect(bodyOf(' ')).toEqual({})
    expect(bodyOf(Buffer.from('{"ä":"ö"}'))).toEqual({ ä: 'ö' })
  })
})

describe('a refusal says what is wrong, and what a field must be', () => {
  const refusal = (schema: Parameters<typeof validate>[0], value: unknown, what = 'body') => {
    try {
      validate(schema, value, what)
    } catch (problem) {
      return (problem as Problem).message
    }
    throw new Error('it was not refused')
  }

  test.each([
    ['strategy: must be one of auto, regular, concurrent, swap', refreshOptions, { strategy: 'fast' }],
    ['timeoutSeconds: must be a whole number from 1 to 86400', refreshOptions, { timeoutSeconds: 0.5 }],
    ['retries: must be a whole number from 0 to 100', batchOptions, { retries: '3' }],
    ['withData: must be true or false', createOptions, { withData: null }],
    ['pattern: must be a text of 1 to 200 characters', batchOptions, { pattern: '' }],
    ['views: must be a list of 1 to 10000 views', batchOptions, { views: [] }],
    ['body: must be a JSON object, such as {}', dropOptions, []],
    ['limit: must be a whole number from 1 to 200', runsQuery, { limit: '0' }],
    ['limit: must be a whole number from 1 to 200', batchesQuery, { limit: '201' }],
    [
      'status: must be one or more of pending, running, built, success, failed, canceled, skipped, with commas between them',
      runsQuery,
      { status: 'failed,done' },
    ],
    ['id: must be a whole number from 1 to 2147483647', runPath, { id: '0' }],
    ["id: must be a batch's id, such as 20261120-090000-1f3c9a2b", batchPath, { id: '?' }],
    [
      'view: is missing: it must be a text of 1 to 1000 characters',
      scheduleFields,
      { trigger: 'schedule', schedule: 's', scheduledTime: '' },
    ],
    ['trigger: must be schedule', scheduledBatch, { trigger: 'cron', schedule: 's', scheduledTime: '' }],
    ['stategy: there is no such field (did you mean strategy?)', refreshOptions, { stategy: 'swap' }],
    ['Views: there is no such field (did you mean views?)', batchOptions, { Views: ['a'] }],
    ['limit: there is no such field. The fields are state, cursor', viewsQuery, { limit: '3' }],
  ])('%s', (message, schema, value) => {
    expect(refusal(schema, value)).toBe(message)
  })

  test.each(['1e2', '0x1f', ' 7', '+7', '7.0', ''])('%j is no number in a path', (id) => {
    expect(refusal(runPath, { id })).toBe('id: must be a whole number from 1 to 2147483647')
  })

  const schemas = {
    batchesQuery,
    batchOptions,
    batchPath,
    createOptions,
    deployedBatch,
    dropOptions,
    metricsQuery,
    refreshOptions,
    runPath,
    runsQuery,
    scheduledBatch,
    scheduleFields,
    viewPath,
    viewsQuery,
  }
  const wrong = [null, -1, 0, 0.5, 1e300, '', '\0', 'x'.repeat(100_000), [], [null], {}, true, undefined]

  test.each(Object.entries(schemas))('in our own words, whatever is wrong: %s', (_, schema) => {
    const allowed = /^(is missing: it )?must (not contain|be) |^there is no /
    for (const value of [
      ...wrong,
      ...Object.keys(schema.shape).flatMap((field) => wrong.map((each) => ({ [field]: each }))),
    ]) {
      const parsed = schema.safeParse(value)
      if (parsed.success) continue
      for (const fault of refusal(schema, value)
        .replace(/\. The fields are .*$/, '')
        .split(/(?<=[a-z0-9})])\. /)) {
        expect(fault.replace(/^[\w.]+: /, '')).toMatch(allowed)
      }
    }
  })
})

describe('what half of a surrogate pair stands in', () => {
  const half = JSON.parse('"\\ud800"')
  const schedule = { trigger: 'schedule', schedule: 'nightly', scheduledTime: '2026-11-20T09:00:00Z' }
  const deploy = { trigger: 'deploy', key: 'v1', all: true }

  test.each([
    ['a pattern', batchOptions, { pattern: `a${half}` }, 'pattern'],
    ['a view', batchOptions, { views: ['a', half] }, 'views.1'],
    ['a path', viewPath, { view: half }, 'view'],
    ['a word to choose', refreshOptions, { strategy: half }, 'strategy'],
    ['a key', batchOptions, { [`a${half}b`]: 1 }, 'a\ufffdb'],
    ["a schedule's name", scheduledBatch, { ...schedule, schedule: half }, 'schedule'],
    ["a schedule's view", scheduleFields, { ...schedule, view: half }, 'view'],
    ["a deploy's key", deployedBatch, { ...deploy, key: half }, 'key'],
  ])('%s is refused, naming the field', (_, schema, value, field) => {
    const refuse = () => validate(schema, JSON.parse(JSON.stringify(value)), 'body')
    expect(refuse).toThrow(expect.objectContaining({ code: 'InvalidRequest', details: { field } }))
    expect(refuse).toThrow(expect.objectContaining({ message: expect.not.stringContaining(half) }))
  })

  test('an idempotency key is refused, too', () => {
    expect(() => idempotencyKeyOf(asked({ 'idempotency-key': half }))).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', details: { field: 'Idempotency-Key' } }),
    )
  })
})

test("a schedule's name with the character NUL is refused", () => {
  const value = { trigger: 'schedule', schedule: 'a\0', scheduledTime: '', view: 'sales' }
  expect(() => validate(scheduleFields, value, 'event')).toThrow(/schedule: .*NUL/)
})

describe('a refusal stays small', () => {
  const refusalOf = (value: unknown) => {
    try {
      validate(batchOptions, value, 'body')
    } catch (problem) {
      return problemAnswer(problem as Problem)
    }
    throw new Error('it was not refused')
  }

  test('however many fields are wrong: the first are named, and the rest counted', () => {
    const answer = refusalOf(Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key_${at}`, 1])))
    expect(answer.body?.length).toBeLessThan(4000)
    expect(parsed(answer).body).toMatchObject({
      field: 'key_0',
      detail: expect.stringMatching(
        /^key_0: .*key_4: there is no such field\. And 49995 more\. The fields are all, /,
      ),
    })
  })

  test('however many values of a list are wrong', () => {
    const answer = refusalOf({ views: Array.from({ length: 10_000 }, () => 7) })
    expect(answer.body?.length).toBeLessThan(4000)
    expect(parsed(answer).body.detail).toMatch(/^views\.0: .* And 9995 more$/)
  })

  test('however long a key is', () => {
    const answer = refusalOf({ ['x'.repeat(1_000_000)]: 1 })
    expect(answer.body?.length).toBeLessThan(4000)
    expect(parsed(answer).body.field).toBe(`${'x'.repeat(100)}...`)
  })

  test('however many views are unknown', () => {
    const unknown = Array.from({ length: 10_000 }, (_, at) => `nobody_${at}`)
    expect(() => selectViews([], new Map(), { views: unknown })).toThrow(
      expect.objectContaining({
        code: 'UnknownView',
        message: expect.stringMatching(/^.{0,400}nobody_9 \(and 9990 more\) in this database\.$/),
      }),
    )
  })
})

test('an idempotency key has 1 to 255 characters', () => {
  expect(idempotencyKeyOf(asked())).toBeNull()
  expect(idempotencyKeyOf(asked({ 'idempotency-key': 'k' }))).toBe('k')
  expect(() => idempotencyKeyOf(asked({ 'idempotency-key': 'k'.repeat(256) }))).toThrow(/255/)
})

describe('a problem', () => {
  test('is answered by RFC 9457, without its cause', () => {
    const answer = problemAnswer(
      new Problem('UnknownView', 'Gone.', { field: 'view', cause: new Error('secret') }),
    )
    expect(parsed(answer)).toEqual({
      statusCode: 404,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'viewkeeper-version': version,
      },
      body: {
        type: 'urn:viewkeeper:problem:UnknownView',
        title: 'No such materialized view',
        status: 404,
        detail: 'Gone.',
        code: 'UnknownView',
        field: 'view',
      },
    })
  })

  test('that may pass by itself says to come back', () => {
    const retried = problemCodes.filter(
      (code) => problemAnswer(new Problem(code, '')).headers?.['retry-after'] !== undefined,
    )
    expect(retried).toEqual(problemCodes.filter((code) => [429, 503].includes(statusOf(code))))
    expect(retried).toContain('LockTimeout')
    expect(retried).not.toContain('ViewSqlFailed')
  })
})

describe('in the log', () => {
  const levelOf = (thrown: unknown, failed?: object) => {
    const error = vi.spyOn(logger, 'error').mockReturnValue()
    const info = vi.spyOn(logger, 'info').mockReturnValue()
    knownProblem(thrown, logger, failed)
    const written = [...error.mock.calls.map(() => 'error'), ...info.mock.calls.map(() => 'info')]
    vi.restoreAllMocks()
    return written
  }

  test.each(problemCodes)('%s is an error unless it is a mistake of the caller', (code) => {
    const problem = new Problem(code, 'Why.')
    expect(levelOf(problem)).toEqual([statusOf(code) >= 500 ? 'error' : 'info'])
    expect(levelOf(problem, { schedule: 'nightly' })).toEqual(['error'])
  })

  test('what is no problem is an error', () => {
    expect(levelOf(new TypeError('A defect.'))).toEqual(['error'])
  })
})

describe('a result', () => {
  const result = {
    runId: 7,
    view: 'public.sales',
    operation: 'refresh',
    request: {},
    response: { view: 'public.sales', rowCountBefore: null, rowCountAfter: null, durationMs: null },
  } as const

  test.each([
    [{ status: 'updated' }, 200],
    [{ status: 'skipped' }, 200],
    [{ status: 'running' }, 202],
    [{ status: 'skipped', error: { class: 'AlreadyRunning', message: '', runningRunId: 6 } }, 409],
    [
      { status: 'error', error: { class: 'ViewSqlFailed', message: 'division by zero', sqlstate: '22012' } },
      422,
    ],
    [{ status: 'error', error: { class: 'RunLost', message: '' } }, 503],
    [{ status: 'error', error: { class: 'Deadlock', message: '', sqlstate: '40P01' } }, 503],
  ] as const)('%j is answered with %i', async (outcome, status) => {
    const route = operation({
      ...routes.dropView,
      takes: { path: viewPath, body: dropOptions },
      perform: async () => ({ ...result, ...outcome }) as never,
    })
    const request = { path: { view: 'sales' }, query: {}, body: '', requestedBy: 'ci', ...asked() }
    vi.spyOn(logger, 'error').mockReturnValue()
    vi.spyOn(logger, 'info').mockReturnValue()
    const away = { withConnection: () => Promise.reject(new Error('The server is away.')) }
    const answer = await answerHttp(route, request, { logger, database: away, typed: null } as never)
    vi.restoreAllMocks()
    expect(answer.statusCode).toBe(status)
    expect(answer.headers?.location).toBe(status === 202 ? '/runs/7' : undefined)
    if (status >= 400)
      expect(parsed(answer).body).toMatchObject({
        code: (outcome as { error: { class: ProblemCode } }).error.class,
        runId: 7,
        // The cause is told without its moment if the server is away by now.
        next: expect.stringMatching(/^viewkeeper /),
      })
  })
})
