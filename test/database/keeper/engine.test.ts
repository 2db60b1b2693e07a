import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { answerHttp } from '../../../src/api/http.ts'
import type { AnyRoute } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { createKeeper, type KeeperOptions, Problem } from '../../../src/engine.ts'
import { servedOn } from '../../support/api/served.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { begin, makeGraph } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { url, sql, database } = useDatabase()

/** A keeper of this database, until the test ends. */
async function keeperOn(options: Partial<KeeperOptions> = {}) {
  const keeper = await createKeeper({
    databaseUrl: url,
    allowSuperuser: true,
    requestedBy: 'shop',
    ...options,
  })
  onTestFinished(keeper.stop)
  return keeper
}

beforeAll(async () => {
  await sql`create table orders (day date, amount integer)`
  await sql`create materialized view sales as select day, sum(amount) as amount from orders group by day`
  await sql`create materialized view best as select max(amount) from sales`
  await makeGatedView(sql, 'gated')
})

describe('each route is a method', () => {
  test('with the same answer as over HTTP', async () => {
    const keeper = await keeperOn()
    expect(Object.keys(keeper)).toEqual(expect.arrayContaining(Object.keys(routes)))
    await keeper.refreshView({ view: 'sales', strategy: 'regular' })
    const { batchId } = await keeper.startBatch({ views: ['best'] })
    await until(
      'the batch has ended',
      async () => (await keeper.getBatch({ id: batchId })).finishedAt !== null,
    )
    const asked: [string, object][] = [
      ['listRuns', { view: 'sales', limit: 1 }],
      ['getRun', { id: 1 }],
      ['getBatch', { id: batchId }],
      ['listBatches', { status: 'success' }],
      ['listActions', { view: 'sales' }],
      ['listDays', {}],
      ['getOpenapi', {}],
    ]
    for (const [name, input] of asked) {
      const route = (routes as Record<string, AnyRoute>)[name]!
      const texts = Object.fromEntries(Object.entries(input).map(([field, value]) => [field, String(value)]))
      const request = { path: texts, query: route.takes?.query ? texts : {}, headers: {}, body: '' }
      const ofPath = route.path.includes('{') ? { query: {} } : { path: {} }
      const { body } = await answerHttp(
        route,
        { ...request, ...ofPath, requestedBy: 'test', at: Date.now() },
        { ...servedOn(database), security: 'none' },
      )
      const method = keeper[name as 'listRuns'] as (input: object) => Promise<unknown>
      expect(await method(input), name).toEqual(JSON.parse(body))
    }
  })

  test('and what is wrong in its input is refused by the name of the field, before anything is asked', async () => {
    const keeper = await keeperOn({ databaseUrl: 'postgres://nobody@127.0.0.1:1/none' })
    const refusals: [() => Promise<unknown>, string, RegExp][] = [
      [
        () => keeper.refreshView({ view: 'sales', strategi: 'swap' } as never),
        'strategi',
        /did you mean strategy/,
      ],
      [() => keeper.refreshView({} as never), 'view', /is missing/],
      [() => keeper.refreshView('sales' as never), 'refreshView', /must be/],
      [() => keeper.listRuns({ limit: 0 }), 'limit', /1 to 200/],
      [() => keeper.listRuns({}, { waitSeconds: -1 }), 'waitSeconds', /0 to 86400/],
      [() => keeper.listRuns({}, { signal: 'now' as never }), 'signal', /AbortSignal/],
      [() => keeper.refreshAll({}, { idempotencyKey: '' }), 'idempotencyKey', /1 to 255/],
      [() => createKeeper(undefined as never), 'options', /must be/],
      [() => createKeeper({} as never), 'databaseUrl', /is missing/],
      [
        () => createKeeper({ databaseUrl: url, requestBy: 'shop' } as never),
        'requestBy',
        /did you mean requestedBy/,
      ],
      [() => createKeeper({ databaseUrl: url, maxConnections: 4 }), 'maxConnections', /5 to 1000/],
      [
        () => createKeeper({ databaseUrl: url, logger: { info() {} } as never }),
        'logger',
        /info, warn and error/,
      ],
    ]
    for (const [refused, field, message] of refusals) {
      const problem = (await refused().catch((error) => error)) as Problem
      expect(problem).toBeInstanceOf(Problem)
      expect(problem).toMatchObject({ code: 'InvalidRequest', details: { field } })
      expect(problem.message).toMatch(message)
    }
  })
})

test('a program is named as such: its runs, its batches, and what it did besides', async () => {
  const keeper = await keeperOn()
  const { runId } = await keeper.refreshView({ view: 'sales', force: true })
  expect(await keeper.getRun({ id: runId })).toMatchObject({
    trigger: 'program',
    requestedBy: 'program:shop',
  })
  expect(await keeper.refreshAll()).toMatchObject({
    trigger: 'program',
    requestedBy: 'program:shop',
    next: null,
  })
  await keeper.pauseView({ view: 'best' })
  // A pause holds schedules back, and not what a program asks for by name.
  await keeper.resumeView({ view: 'best' })
  const { actions } = await keeper.listActions({})
  expect(actions.map(({ action, requestedBy }) => [action, requestedBy])).toEqual([
    ['resume', 'program:shop'],
    ['pause', 'program:shop'],
    ['force', 'program:shop'],
  ])
})

test('what a program was refused before it began is no failure of the view', async () => {
  const keeper = await keeperOn()
  await keeper.refreshAll()
  await expect(keeper.refreshView({ view: 'sales', strategy: 'concurrent' })).rejects.toMatchObject({
    code: 'UniqueIndexRequired',
    details: { runId: expect.any(Number) },
  })
  expect(await keeper.getView({ view: 'sales' })).toMatchObject({ state: 'unlimited' })
  const [row] = await sql`select condition from viewkeeper.freshness where view = 'public.sales'`
  expect(row).toEqual({ condition: null })
})

test('an error has all that is known of it: the run, its SQLSTATE, and the run in the way', async () => {
  const keeper = await keeperOn()
  await sql`create materialized view broken as select 1 / amount as part from orders`
  onTestFinished(async () => void (await sql`drop materialized view broken`))
  await sql`insert into orders values ('2026-11-01', 0)`
  onTestFinished(async () => void (await sql`delete from orders`))
  await expect(keeper.refreshView({ view: 'broken' })).rejects.toMatchObject({
    code: 'ViewSqlFailed',
    details: { sqlstate: '22012', runId: expect.any(Number) },
  })
  await withGateClosed(sql, 'gated', async () => {
    const first = await keeper.refreshView({ view: 'gated', strategy: 'regular' }, { waitSeconds: 0 })
    expect(first.status).toBe('running')
    await expect(keeper.refreshView({ view: 'gated', strategy: 'swap' })).rejects.toMatchObject({
      code: 'AlreadyRunning',
      details: { runningRunId: first.runId },
      parts: { hint: expect.stringContaining('its strategy is regular, not swap') },
    })
  })
  // Raw errors of the program itself are Problems, too.
  const failing = await keeperOn({ databaseUrl: () => Promise.reject(new TypeError('no secret')) })
  await expect(failing.listViews()).rejects.toMatchObject({
    name: 'DatabaseUnavailable',
    cause: { message: 'no secret' },
  })
})

describe('a program that waits no longer', () => {
  test('begins nothing, if its signal was aborted or the keeper was stopped before', async () => {
    const keeper = await keeperOn()
    const before = await sql`select count(*) from viewkeeper.runs`
    const reason = new Error('no longer')
    const signal = AbortSignal.abort(reason)
    for (const work of [
      () => keeper.refreshView({ view: 'sales' }, { signal }),
      () => keeper.refreshAll({}, { signal }),
      () => keeper.listViews({}, { signal }),
    ])
      await expect(work()).rejects.toMatchObject({ name: 'Canceled', cause: reason })
    await keeper.stop()
    for (const work of [() => keeper.refreshView({ view: 'sales' }), keeper.refreshAll, keeper.migrate])
      await expect(work()).rejects.toMatchObject({
        code: 'Canceled',
        message: expect.stringMatching(/^The keeper was stopped/),
      })
    expect(() => keeper.start()).toThrow('The keeper was stopped')
    expect(await sql`select count(*) from viewkeeper.runs`).toEqual(before)
  })

  test('hears of it at once, keeps no connection, and what had begun goes on', async () => {
    const keeper = await keeperOn({ requestedBy: 'impatient' })
    const stop = new AbortController()
    const [one, other] = await withGateClosed(sql, 'gated', async (open) => {
      const one = keeper.refreshView({ view: 'gated' }, { signal: stop.signal }).catch((error) => error)
      await untilAtGate(sql, 'gated')
      const other = keeper.refreshView({ view: 'gated' }).catch((error) => error)
      stop.abort()
      await one
      await keeper.stop()
      await other
      await until('no connection is open but that of the run', async () => {
        const [row] = await sql`select count(*) as open from pg_stat_activity
          where application_name like 'viewkeeper%' and application_name not like 'viewkeeper run %'
            and datname = current_database()`
        return row?.open === 0
      })
      await open()
      return [one, other]
    })
    expect(await one).toMatchObject({
      code: 'Canceled',
      message: expect.stringMatching(/^The signal was aborted/),
    })
    expect(await other).toMatchObject({
      code: 'Canceled',
      message: expect.stringMatching(/^The keeper was stopped/),
    })
    const status = async () => {
      const [run] = await sql`select status from viewkeeper.runs where requested_by = 'program:impatient'`
      return run?.status
    }
    await until('the run has ended', async () => (await status()) === 'success')
  })

  test('and leaves no rejection that nobody handles', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    onTestFinished(() => void process.off('unhandledRejection', note))
    const keeper = await keeperOn()
    const stop = new AbortController()
    const calls = Array.from({ length: 20 }, () => keeper.listViews({}, { signal: stop.signal }))
    calls.push(keeper.refreshAll({}, { signal: stop.signal }) as never)
    const settled = Promise.allSettled(calls)
    stop.abort()
    await keeper.stop()
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true)
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  })
})

test('calls queue instead of opening more connections than the keeper may, batches and the leader among them', async () => {
  await makeGraph(sql, 'wide', Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`v${at}`, []])), {
    seconds: 0.05,
  })
  const looked = Promise.withResolvers<void>()
  const logger = {
    info: (message: string) => message === 'leads' && looked.resolve(),
    warn() {},
    error() {},
  }
  const keeper = await keeperOn({ maxConnections: 7, logger, config: { schedules: {} } })
  keeper.start()
  let most = 0
  let over = false
  const watched = (async () => {
    while (!over) {
      const [row] = await sql`select count(*) as open from pg_stat_activity
        where application_name like 'viewkeeper%' and datname = current_database()`
      most = Math.max(most, row!.open)
    }
  })()
  const names = Array.from({ length: 12 }, (_, at) => `wide.v${at}`)
  const answers = await Promise.all([
    keeper.refreshAll({ concurrency: 8 }),
    ...names.map((view) => keeper.refreshView({ view, force: true })),
    ...names.map((view) => keeper.getView({ view })),
    keeper.listViews(),
  ])
  over = true
  await watched
  expect(answers).toHaveLength(26)
  expect(most).toBeGreaterThan(3)
  expect(most).toBeLessThanOrEqual(7)
})

test('a batch that nobody attends to is taken over by the next refresh of everything', async () => {
  const left = await begin(database, { all: true, strategy: 'regular' })
  await updateRows(sql, 'batches', { id: left }, { requestedAt: sql`requested_at - interval '1 min'` })
  const keeper = await keeperOn()
  const done = await keeper.refreshAll({ strategy: 'concurrent', retries: 0 })
  expect(done.id).not.toBe(left)
  expect(done.views.length).toBeGreaterThan(0)
  expect(done.finishedAt).not.toBeNull()
  expect(await keeper.getBatch({ id: left })).toMatchObject({ status: 'success' })
})
