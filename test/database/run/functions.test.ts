import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { handler as migrate } from '../../../functions/migrate.ts'
import { handler as refresh } from '../../../functions/refresh.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { makeGatedView, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { url, sql } = useDatabase()
const context = lambdaContext()

beforeAll(async () => {
  process.env.DATABASE_URL = url
  await sql`create table base as select generate_series(1, 3) as id`
  await sql`create materialized view sales as select * from base`
  await sql`create view plain_sales as select * from sales`
  await sql`create materialized view top_sales as select max(id) as id from plain_sales`
})
afterAll(() => {
  delete process.env.DATABASE_URL
})

let lines: Record<string, unknown>[]
beforeEach(() => {
  lines = []
  for (const stream of ['log', 'info', 'warn', 'error'] as const) {
    vi.spyOn(console, stream).mockImplementation((line: string) => {
      lines.push(JSON.parse(line))
    })
  }
  return () => vi.restoreAllMocks()
})

const post = async (view: string, options: Parameters<typeof httpEvent>[1] = {}) =>
  parsed(
    (await refresh(
      httpEvent('POST /views/{view}/refresh', { path: { view }, ...options }),
      context,
    )) as never,
  )
const get = async (routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) =>
  parsed(await api(httpEvent(routeKey, options), context))
const waiting = { headers: { prefer: 'wait=20' } }

describe('POST /views/{view}/refresh', () => {
  test('answers 200 with the result, and leaves one log line with run, view and trigger', async () => {
    const answer = await post('sales', { ...waiting, body: {} })
    expect(answer).toMatchObject({
      statusCode: 200,
      headers: { 'content-type': 'application/json' },
      body: { status: 'updated', view: 'public.sales', response: { strategy: 'swap', rowCountAfter: 3 } },
    })
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'INFO',
        runId: answer.body.runId,
        view: 'public.sales',
        trigger: 'http',
        status: 'updated',
        function_request_id: 'request-1',
      }),
    ])
    const run = await get('GET /runs/{id}', { path: { id: String(answer.body.runId) } })
    expect(run.body).toMatchObject({
      status: 'success',
      requestedBy: 'arn:aws:iam::000000000000:user/ci',
      result: answer.body,
    })
  })

  test('answers 202 with a Location while the run goes on, the same to the next request, 409 to one that wants something else, and 200 to a cancel', async () => {
    await makeGatedView(sql, 'slow')
    await withGateClosed(sql, 'slow', async () => {
      const answer = await post('slow')
      const { runId } = answer.body
      expect(answer).toMatchObject({
        statusCode: 202,
        headers: { location: `/runs/${runId}` },
        body: { status: 'running' },
      })
      const told = await until('the run is building', async () => {
        const { body } = await get('GET /runs/{id}', { path: { id: String(runId) } })
        return body.progress?.phase === 'building' && body // it naps, too
      })
      expect(told).toMatchObject({
        status: 'running',
        progress: { elapsedMs: expect.any(Number) },
        result: { status: 'running' },
      })
      expect(await post('slow')).toMatchObject({ statusCode: 202, body: { runId, coalesced: true } })
      const refused = await post('slow', { ...waiting, body: { strategy: 'concurrent' } })
      expect(refused).toMatchObject({
        statusCode: 409,
        headers: { 'content-type': 'application/problem+json' },
        body: {
          code: 'AlreadyRunning',
          status: 409,
          runningRunId: runId,
          runId: expect.any(Number),
          detail: expect.stringContaining(`viewkeeper cancel ${runId}`),
        },
      })
      // No read waits for the refresh, although pg_get_viewdef would wait for its lock.
      expect((await get('GET /views/{view}', { path: { view: 'slow' } })).statusCode).toBe(200)
      const canceled = parsed(
        await api(httpEvent('POST /runs/{id}/cancel', { path: { id: String(runId) } }), context),
      )
      expect(canceled).toMatchObject({
        statusCode: 200,
        body: { runId, status: 'error', error: { class: 'Canceled' } },
      })
    })
  })

  test("answers 422 with the run's id and SQLSTATE if the view's SQL fails, and 409 without a unique index", async () => {
    await sql`create materialized view broken as select 1 / (count(*) - 3) as x from base with no data`
    expect(await post('broken', waiting)).toMatchObject({
      statusCode: 422,
      body: {
        code: 'ViewSqlFailed',
        sqlstate: '22012',
        runId: expect.any(Number),
        detail: expect.stringContaining('division by zero'),
      },
    })
    expect(await post('sales', { body: { strategy: 'concurrent' } })).toMatchObject({
      statusCode: 409,
      body: {
        code: 'UniqueIndexRequired',
        detail: expect.stringContaining('create unique index concurrently on public.sales'),
      },
    })
  })

  test('answers 503 if the database is dead or the credentials are wrong, logs that, and shows no secret', async () => {
    const right = process.env.DATABASE_URL as string
    const wrong = new URL(right)
    wrong.password = 'hunter2'
    const dead = new URL(right)
    dead.port = '1'
    for (const [address, code] of [
      [wrong.href, 'CredentialsRefused'],
      [dead.href, 'DatabaseUnavailable'],
    ] as const) {
      process.env.DATABASE_URL = address
      try {
        const answer = await post('sales')
        expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '5' }, body: { code } })
        expect(JSON.stringify([answer, lines])).not.toContain('hunter2')
        expect(lines.at(-1)).toMatchObject({ level: 'ERROR', code })
      } finally {
        process.env.DATABASE_URL = right
      }
    }
  })

  test('answers 500 to a defect of ours without its details', async () => {
    const answer = await refresh(
      { routeKey: 'POST /views/{view}/refresh', pathParameters: { view: 'x' } },
      context,
    )
    expect(parsed(answer as never)).toMatchObject({ statusCode: 500, body: { code: 'InternalError' } })
    expect(lines.at(-1)).toMatchObject({ level: 'ERROR', errorName: 'TypeError' })
  })
})

describe('reads', () => {
  test('GET /views lists every view with its id, its dependencies and its last run', async () => {
    await post('sales', waiting)
    const { statusCode, body } = await get('GET /views')
    expect(statusCode).toBe(200)
    const byName = Object.fromEntries(body.views.map((view: { view: string }) => [view.view, view]))
    expect(byName['public.top_sales']).toMatchObject({
      id: null,
      source: 'discovered',
      strategy: 'auto',
      populated: true,
      dependsOn: ['public.sales'],
      neededBy: [],
      lastRun: null,
      lastSuccessAt: null,
      staleMs: null,
    })
    expect(byName['public.sales']).toMatchObject({
      id: expect.any(Number),
      neededBy: ['public.top_sales'],
      lastRun: { status: 'success', requestedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      staleMs: expect.any(Number),
    })
    const one = await get('GET /views/{view}', { path: { view: String(byName['public.sales'].id) } })
    expect(one.body).toMatchObject({
      view: 'public.sales',
      sql: expect.stringContaining('FROM public.base'),
      owner: 'postgres',
      recentRuns: expect.arrayContaining([expect.objectContaining({ status: 'success' })]),
    })
  })
})

describe('a schedule', () => {
  const event = {
    trigger: 'schedule',
    schedule: 'hourly-sales',
    view: 'sales',
    scheduledTime: '2026-11-20T09:00:00Z',
  }

  test('refreshes its view, once for each scheduled time, however often it is delivered', async () => {
    const results = await Promise.all([1, 2, 3].map(() => refresh(event, context)))
    results.push(await refresh(event, lambdaContext({ awsRequestId: 'another' })))
    expect(new Set(results.map((result) => (result as { runId: number }).runId)).size).toBe(1)
    const runs =
      await sql`select trigger, requested_by, status from viewkeeper.runs where requested_by = 'hourly-sales'`
    expect(runs).toEqual([{ trigger: 'schedule', requested_by: 'hourly-sales', status: 'success' }])
    const next = await refresh({ ...event, scheduledTime: '2026-11-20T10:00:00Z' }, context)
    expect((next as { runId: number }).runId).not.toBe((results[0] as { runId: number }).runId)
  })

  test('whose run fails is no failure of the function; a schedule that leaves no record is one', async () => {
    expect(await refresh({ ...event, schedule: 'failing', view: 'broken' }, context)).toMatchObject({
      status: 'error',
    })
    await expect(refresh({ ...event, schedule: 'gone', view: 'nowhere' }, context)).rejects.toMatchObject({
      code: 'UnknownView',
    })
    expect(lines.at(-1)).toMatchObject({ level: 'ERROR', code: 'UnknownView', schedule: 'gone' })
    await expect(refresh({ ...event, options: 1 }, context)).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(refresh({ ...event, withoutChecks: true }, context)).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringContaining('withoutChecks'),
    })
    expect(lines.at(-1)).toMatchObject({ level: 'ERROR', code: 'InvalidRequest', view: 'sales' })
    await expect(refresh({}, context)).rejects.toMatchObject({ code: 'InvalidRequest' })
  })
})

test('the migrate function brings the database up to date and says what it did', async () => {
  expect(await migrate({}, context)).toEqual({
    applied: [],
    ahead: [],
    views: { applied: [], ahead: [], missing: [], repaired: [] },
  })
  expect(lines).toContainEqual(expect.objectContaining({ message: 'migrated', applied: [] }))
})
