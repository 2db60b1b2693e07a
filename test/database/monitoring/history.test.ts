import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as monitor } from '../../../functions/monitor.ts'
import { handler as query } from '../../../functions/query.ts'
import { runLockClass } from '../../../src/db/server/lock-keys.ts'
import { getMetrics } from '../../../src/operations/monitoring/metrics.ts'
import { monitor as lookAround, type Publisher } from '../../../src/operations/monitoring/monitor.ts'
import { prune } from '../../../src/operations/monitoring/prune.ts'
import { unscheduled } from '../../../src/operations/monitoring/schedules.ts'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import { pauseView } from '../../../src/operations/views/pause.ts'
import { callOn, useDatabase } from '../../support/database.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/lambda.ts'
import { unheard } from '../../support/publisher.ts'
import { until } from '../../support/until.ts'

const { url, database, sql } = useDatabase()
const context = lambdaContext()
const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }

interface Past {
  view: string
  status?: string
  /** How long ago it was asked for, as an interval of SQL. */
  ago: string
  durationMs?: number
  operation?: string
  batchId?: string | null
  /** By default what does not drop the view. */
  fills?: boolean
}

/** Writes runs that ended in the past, oldest first, as history would hold them. */
async function writePast(runs: Past[]): Promise<void> {
  await sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, requested_at, started_at,
                                 finished_at, duration_ms, error, batch_id, fills)
    select d.id, d.schema_name, d.name, coalesce(p.operation, 'refresh'), coalesce(p.status, 'success'), 'schedule', t.at, t.at,
           t.at + make_interval(secs => coalesce(p."durationMs", 1000) / 1000.0), coalesce(p."durationMs", 1000),
           case when p.status in ('failed', 'canceled') then '{"class":"ViewSqlFailed","message":"broken"}'::jsonb end, p."batchId",
           coalesce(p.fills, p.operation is distinct from 'drop')
      from jsonb_to_recordset(${sql.json(runs as never)})
             as p(view text, status text, ago interval, "durationMs" bigint, operation text, "batchId" text, fills boolean)
      join viewkeeper.definitions d on d.name = p.view
     cross join lateral (select clock_timestamp() - p.ago as at) t
     order by t.at`
}

async function makeViews(...names: string[]): Promise<void> {
  for (const name of names) {
    await sql.unsafe(`create materialized view ${name} as select 1 as id`)
    await sql`insert into viewkeeper.definitions (schema_name, name, source) values ('public', ${name}, 'discovered')`
  }
}

/** As if it had been so for a year: otherwise nothing is late that is expected since a moment ago. */
async function expectForLong(...names: string[]): Promise<void> {
  for (const name of names)
    await sql`update viewkeeper.definitions set expected_since = now() - interval '1 year' where name = ${name}`
}

const clear = () => sql`truncate viewkeeper.runs, viewkeeper.batches cascade`

let lines: Record<string, unknown>[]
beforeEach(() => {
  process.env.DATABASE_URL = url
  lines = []
  for (const stream of ['log', 'info', 'warn', 'error'] as const) {
    vi.spyOn(console, stream).mockImplementation((line: string) => {
      lines.push(JSON.parse(line))
    })
  }
  return () => {
    vi.restoreAllMocks()
    delete process.env.DATABASE_URL
    delete process.env.NIGHTLY_SCHEDULE
    delete process.env.NIGHTLY_TIME_ZONE
    delete process.env.METRICS_PER_VIEW
    delete process.env.VIEW_SCHEDULES
  }
})
/** What the metrics that were published come to: EMF lines are one JSON object with the values beside their names. */
const published = (name: string) =>
  lines.filter((line) => '_aws' in line && name in line).map((line) => line[name] as number)

beforeAll(async () => {
  await makeViews('steady', 'shaky', 'quiet', 'fresh')
})

describe('metrics', () => {
  beforeAll(async () => {
    await clear()
    await writePast([
      { view: 'steady', ago: '40 hours', durationMs: 900 },
      ...[100, 200, 300, 400, 1000].map((durationMs, at) => ({
        view: 'steady',
        ago: `${10 - at} hours`,
        durationMs,
      })),
      { view: 'shaky', ago: '30 hours', status: 'failed' },
      { view: 'shaky', ago: '3 hours', durationMs: 50 },
      { view: 'shaky', ago: '2 hours', status: 'failed' },
      { view: 'shaky', ago: '1 hours', status: 'skipped' },
    ])
  })

  test('count, rate and durations are those within the window; average of the last 20 and last failure are not', async () => {
    const measured = await getMetrics(database, { windowSeconds: 86_400, schedules: unscheduled })
    expect(measured.map(({ view }) => view)).toEqual([
      'public.fresh',
      'public.quiet',
      'public.shaky',
      'public.steady',
    ])
    expect(measured.find(({ view }) => view === 'public.steady')).toMatchObject({
      runs: 5,
      succeeded: 5,
      failed: 0,
      successRate: 1,
      averageMs: 400,
      minMs: 100,
      maxMs: 1000,
      p95Ms: 880,
      usualMs: 483,
      failedLastDay: 0,
      lastStatus: 'success',
      lastFailure: null,
    })
    const shaky = measured.find(({ view }) => view === 'public.shaky')
    expect(shaky).toMatchObject({
      runs: 3,
      succeeded: 1,
      failed: 1,
      successRate: 0.5,
      failedLastDay: 1,
      lastStatus: 'skipped',
      lastFailure: { class: 'ViewSqlFailed' },
      maxStaleMs: null,
      stale: false,
    })
    expect(Math.round((shaky?.staleMs ?? 0) / 3_600_000)).toBe(3)
    expect(measured.find(({ view }) => view === 'public.quiet')).toMatchObject({
      runs: 0,
      successRate: null,
      lastStatus: null,
    })
  })

  test('a longer window counts more, and one view may be asked for, over HTTP too', async () => {
    const [steady] = await getMetrics(database, {
      view: 'steady',
      windowSeconds: 3 * 86_400,
      schedules: unscheduled,
    })
    expect(steady).toMatchObject({ view: 'public.steady', runs: 6, averageMs: 483 })
    const answer = await query(
      httpEvent('GET /metrics', { query: { view: 'steady', window: '3d' } }),
      context,
    )
    expect(parsed(answer as never)).toMatchObject({
      statusCode: 200,
      body: { windowSeconds: 259_200, metrics: [{ view: 'public.steady', runs: 6 }] },
    })
    const refused = await query(httpEvent('GET /metrics', { query: { window: 'yesterday' } }), context)
    expect(parsed(refused as never)).toMatchObject({ statusCode: 400, body: { field: 'window' } })
  })

  test('the same can be asked for in SQL, without a word of ours in the search path', async () => {
    const [row] =
      await sql`select runs, average_ms from viewkeeper.view_metrics('24 hours') where view = 'public.steady'`
    expect(row).toEqual({ runs: 5, average_ms: 400 })
    const [status] =
      await sql`select last_status, failed_last_day from viewkeeper.view_status where name = 'shaky'`
    expect(status).toEqual({ last_status: 'skipped', failed_last_day: 1 })
  })

  test('the last run and success are found however many runs of other views came after', async () => {
    const latest = () => sql`
      select definition_id as id, last_run_id, last_status, last_success_id, last_success_at, row_count_after
        from viewkeeper.latest_runs order by 1`
    const sought = () => sql`
      select d.id, run.id as last_run_id, run.status as last_status, success.id as last_success_id,
             success.finished_at as last_success_at, success.row_count_after
        from viewkeeper.definitions d
        left join viewkeeper.runs run
          on run.id = (select max(r.id) from viewkeeper.runs r where r.definition_id = d.id)
        left join viewkeeper.runs success
          on success.id = (select max(r.id) from viewkeeper.runs r
                            where r.definition_id = d.id and r.status = 'success' and r.operation <> 'drop')
       order by 1`
    await writePast([
      { view: 'quiet', ago: '80 minutes', operation: 'drop' },
      { view: 'fresh', ago: '70 minutes' },
    ])
    await sql`update viewkeeper.runs set row_count_after = id * 10`
    expect(await latest()).toEqual(await sought())
    await sql`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, finished_at)
      select d.id, 'public', d.name, 'refresh', 'skipped', 'http', now()
        from viewkeeper.definitions d, generate_series(1, 2500) where d.name = 'steady'`
    await writePast([{ view: 'fresh', ago: '1 minutes', status: 'failed' }])
    expect(await latest()).toEqual(await sought())
  })

  test('the first run since a moment is found in any history', async () => {
    const [{ id } = { id: 0 }] = await sql`
      select min(id) as id from viewkeeper.runs where requested_at >= clock_timestamp() - interval '150 minutes'`
    const first = (since: string) =>
      sql
        .unsafe(`select viewkeeper.first_run_since(clock_timestamp() - interval '${since}') as id`)
        .then(([row]) => row?.id)
    expect(await first('150 minutes')).toBe(id)
    expect(await first('9 days')).toBe((await sql`select min(id) as id from viewkeeper.runs`)[0]?.id)
    expect(await first('0 minutes')).toBe(
      Number((await sql`select max(id) as id from viewkeeper.runs`)[0]?.id) + 1,
    )
    await clear()
    expect(await first('1 day')).toBe(0)
  })
})

describe('the monitor', () => {
  beforeEach(clear)

  test('tells of a failing view, as a line with its run and as a metric', async () => {
    await sql`create materialized view failing as select 1 / (count(*) - count(*)) as x from pg_class with no data`
    const { runId } = await refresh({ view: 'failing' }, callOn(database))
    await monitor({}, context)
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'run ended',
        level: 'ERROR',
        runId,
        view: 'public.failing',
        class: 'ViewSqlFailed',
        problem: 'division by zero',
      }),
    )
    expect(published('RunsFailed')).toEqual([1])
    await sql`drop materialized view failing`
  })

  test('tells of a slow refresh, against what its view usually takes', async () => {
    await writePast([
      ...Array.from({ length: 3 }, (_, at) => ({
        view: 'steady',
        ago: `${9 - at} hours`,
        durationMs: 20_000,
      })),
      { view: 'steady', ago: '2 hours', durationMs: 41_000 },
      { view: 'steady', ago: '1 hours', durationMs: 45_000 },
      ...Array.from({ length: 3 }, (_, at) => ({ view: 'quiet', ago: `${9 - at} hours`, durationMs: 100 })),
      { view: 'quiet', ago: '1 hours', durationMs: 9000 },
    ])
    await monitor({}, context)
    expect(lines.filter(({ slow }) => slow)).toEqual([
      expect.objectContaining({ view: 'public.steady', durationMs: 41_000, usualMs: 20_000 }),
    ])
    expect(published('RunsSlow')).toEqual([1])
  })

  test('tells of stale views by their definition, by their schedule, and says nothing of paused ones', async () => {
    process.env.NIGHTLY_SCHEDULE = nightly.schedule
    process.env.NIGHTLY_TIME_ZONE = nightly.timeZone
    await sql`update viewkeeper.definitions set max_staleness_seconds = 3600 where name = 'steady'`
    await sql`update viewkeeper.definitions set paused_at = now(), max_staleness_seconds = 60 where name = 'shaky'`
    await sql`update viewkeeper.definitions set schedule = '*/15 * * * *', time_zone = 'UTC' where name = 'fresh'`
    await expectForLong('steady', 'shaky', 'fresh')
    process.env.VIEW_SCHEDULES = 'true'
    await writePast([
      { view: 'steady', ago: '2 hours' },
      { view: 'shaky', ago: '2 hours' },
      { view: 'quiet', ago: '24 hours' },
      { view: 'fresh', ago: '90 minutes' },
    ])
    const answer = (await monitor({}, context)) as { stale: { view: string; maxStalenessSeconds: number }[] }
    expect(answer.stale.map(({ view, maxStalenessSeconds }) => [view, maxStalenessSeconds])).toEqual([
      ['public.steady', 3600],
      ['public.fresh', 900 + 3600],
    ])
    expect(lines).toContainEqual(expect.objectContaining({ message: 'views are stale', count: 2 }))
    expect(published('ViewsStale')).toEqual([2])
    const listed = await query(httpEvent('GET /views', { query: { state: 'stale' } }), context)
    expect(parsed(listed as never).body.views.map(({ view }: { view: string }) => view)).toEqual([
      'public.fresh',
      'public.steady',
    ])

    await writePast([
      { view: 'steady', ago: '1 minutes' },
      { view: 'fresh', ago: '1 minutes' },
    ])
    expect(await monitor({}, context)).toMatchObject({ stale: [] })
    await sql`update viewkeeper.definitions set max_staleness_seconds = null, paused_at = null, schedule = null, time_zone = null`
  })

  test('a long refresh makes its view stale later', async () => {
    process.env.NIGHTLY_SCHEDULE = nightly.schedule
    process.env.NIGHTLY_TIME_ZONE = nightly.timeZone
    const stale = async () =>
      ((await monitor({}, context)) as { stale: { view: string }[] }).stale.map(({ view }) => view)
    await expectForLong('steady', 'quiet')
    await writePast([
      { view: 'steady', ago: '30 hours', durationMs: 3 * 3600 * 1000 },
      { view: 'quiet', ago: '30 hours' },
    ])
    expect(await stale()).toEqual(['public.quiet'])
  })

  test('publishes nothing less because what comes after fails, and nothing twice', async () => {
    process.env.VIEW_SCHEDULES = 'true'
    await sql`update viewkeeper.definitions set schedule = '0 6 * * *', time_zone = 'No/Where' where name = 'quiet'`
    await writePast([{ view: 'shaky', ago: '1 hours', status: 'failed' }])
    await expect(monitor({}, context)).rejects.toThrow()
    expect(published('RunsFailed')).toEqual([1])
    expect(lines).toContainEqual(expect.objectContaining({ message: 'run ended', view: 'public.shaky' }))
    expect(published('ViewsStale')).toEqual([])

    lines.length = 0
    await sql`update viewkeeper.definitions set schedule = null, time_zone = null where name = 'quiet'`
    await monitor({}, context)
    expect([published('RunsFailed'), published('ViewsStale')]).toEqual([[0], [0]])
  })

  test('publishes again what it could not tell', async () => {
    await writePast([{ view: 'steady', ago: '1 hours' }])
    const dumb = () => {
      throw new Error('no voice')
    }
    const look = (runs: Publisher['runs']) =>
      lookAround(database, { schedules: unscheduled, publish: { ...unheard, runs } })
    await expect(look(dumb)).rejects.toThrow('no voice')
    const told: string[] = []
    await look((runs) => void told.push(...runs.map(({ view }) => view)))
    expect(told).toEqual(['public.steady'])
  })

  test('waits with a run whose rows are still counted', async () => {
    await writePast([{ view: 'steady', ago: '1 hours' }])
    await database.withConnection(async (counting) => {
      await counting`select pg_advisory_lock(${runLockClass}, id::integer) from viewkeeper.runs`
      await counting`update viewkeeper.runs set backend_pid = pg_backend_pid()`
      expect(await monitor({}, context)).toMatchObject({ publishedRuns: 0 })
    })
    const look = async () => ((await monitor({}, context)) as { publishedRuns: number }).publishedRuns
    expect(await until('the session has ended', async () => (await look()) || undefined)).toBe(1)
  })

  test('tells of a batch that was lost, whoever closed it, as a line and as a metric', async () => {
    const error = { class: 'BatchLost', message: 'Nobody advanced this batch.' }
    await sql`
      insert into viewkeeper.batches (id, trigger, selection, status, started_at, finished_at, error)
      values ('lost-one', 'schedule', '{"all":true}', 'failed', now() - interval '1 minute', now(), ${sql.json(error)})`
    await monitor({}, context)
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'batch ended',
        level: 'ERROR',
        batchId: 'lost-one',
        class: 'BatchLost',
        problem: error.message,
        durationMs: 60_000,
      }),
    )
    expect(published('BatchesLost')).toEqual([1])
    lines.length = 0
    await monitor({}, context)
    expect(published('BatchesLost')).toEqual([0])
  })

  test('counts as a success only what made the data fresh', async () => {
    await sql`update viewkeeper.definitions set max_staleness_seconds = 3600 where name = 'steady'`
    await expectForLong('steady')
    await writePast([
      { view: 'steady', ago: '2 hours' },
      { view: 'steady', ago: '1 minutes', operation: 'create', fills: false },
    ])
    expect(await monitor({}, context)).toMatchObject({ stale: [{ view: 'public.steady' }] })
    const ended = lines.filter(({ message }) => message === 'run ended')
    expect(ended.map(({ operation, fresh }) => [operation, fresh])).toEqual([
      ['refresh', true],
      ['create', undefined],
    ])
    await writePast([{ view: 'steady', ago: '1 minutes', operation: 'create', fills: true }])
    expect(await monitor({}, context)).toMatchObject({ stale: [] })
    await sql`update viewkeeper.definitions set max_staleness_seconds = null where name = 'steady'`
  })

  test('compares a refresh with refreshes, not with what else was done to the view', async () => {
    await writePast([
      { view: 'steady', ago: '3 hours', durationMs: 5, operation: 'create', fills: false },
      { view: 'steady', ago: '2 hours', durationMs: 15_000 },
    ])
    await monitor({}, context)
    expect(published('RunsSlow')).toEqual([0])
  })

  test('knows a view that nobody has met', async () => {
    await sql`create materialized view unmet as select 1 as id`
    await monitor({}, context)
    expect((await sql`select source from viewkeeper.definitions where name = 'unmet'`)[0]).toEqual({
      source: 'discovered',
    })
    await sql`drop materialized view unmet`
    await sql`delete from viewkeeper.definitions where name = 'unmet'`
  })

  test('expects nothing of a time when nobody did: before a schedule, while paused', async () => {
    process.env.VIEW_SCHEDULES = 'true'
    await expectForLong('steady')
    await writePast([{ view: 'steady', ago: '30 days' }])
    const stale = async () =>
      ((await monitor({}, context)) as { stale: { view: string }[] }).stale.map(({ view }) => view)
    expect(await stale()).toEqual([])
    await sql`update viewkeeper.definitions set schedule = '0 6 * * *', time_zone = 'UTC' where name = 'steady'`
    expect(await stale()).toEqual([])
    await sql`update viewkeeper.definitions set expected_since = now() - interval '26 hours' where name = 'steady'`
    expect(await stale()).toEqual(['public.steady'])
    await pauseView(database, 'steady', true)
    expect(await stale()).toEqual([])
    await pauseView(database, 'steady', false)
    expect(await stale()).toEqual([])
    const [measured] = await getMetrics(database, {
      view: 'steady',
      windowSeconds: 60,
      schedules: { nightly: null, views: true },
    })
    expect(measured).toMatchObject({
      stale: false,
      staleMs: expect.toSatisfy((ms: number) => ms > 29 * 86_400_000),
    })
    await sql`update viewkeeper.definitions set schedule = null, time_zone = null where name = 'steady'`
  })

  test('leaves schedules of single views out where the environment starts none', async () => {
    await sql`update viewkeeper.definitions set schedule = '*/15 * * * *', time_zone = 'UTC' where name = 'steady'`
    await expectForLong('steady')
    await writePast([{ view: 'steady', ago: '9 hours' }])
    expect(await monitor({}, context)).toMatchObject({ stale: [] })
    process.env.VIEW_SCHEDULES = 'true'
    expect(await monitor({}, context)).toMatchObject({ stale: [{ view: 'public.steady' }] })
    await sql`update viewkeeper.definitions set schedule = null, time_zone = null where name = 'steady'`
  })

  test('publishes the runs of each view under its name where that is asked for', async () => {
    process.env.METRICS_PER_VIEW = 'true'
    await sql`insert into viewkeeper.definitions (schema_name, name, source) values ('public', 'Über "A"', 'discovered')`
    await writePast([
      { view: 'steady', ago: '4 hours', durationMs: 700 },
      { view: 'steady', ago: '3 hours', status: 'failed' },
      { view: 'Über "A"', ago: '2 hours', durationMs: 80, operation: 'create' },
      { view: 'shaky', ago: '1 hours', status: 'skipped' },
    ])
    await monitor({}, context)
    const named = () => lines.filter((line) => '_aws' in line && 'view' in line)
    expect(
      named().map((line) => [line.view, line.RunsSucceeded, line.RunsFailed, line.RefreshDuration]),
    ).toEqual([
      ['public.steady', 1, 0, 700],
      ['public.steady', 0, 1, undefined],
      ['public."%C3%9Cber ""A"""', 1, 0, undefined],
    ])
    for (const { _aws } of named()) {
      expect(_aws).toMatchObject({
        CloudWatchMetrics: [{ Namespace: 'Viewkeeper', Dimensions: [['service', 'environment', 'view']] }],
      })
    }

    lines.length = 0
    delete process.env.METRICS_PER_VIEW
    await writePast([{ view: 'steady', ago: '1 hours' }])
    await monitor({}, context)
    expect(published('RunsSucceeded')).toEqual([1])
    expect(named()).toEqual([])
    await sql`delete from viewkeeper.definitions where name = 'Über "A"'`
  })

  test('publishes zeros and its own heart-beat when nothing has happened', async () => {
    await monitor({}, context)
    for (const name of ['RunsSucceeded', 'RunsFailed', 'RunsLost', 'RunsSlow', 'BatchesLost', 'ViewsStale']) {
      expect(published(name)).toEqual([0])
    }
  })
})

describe('pruning', () => {
  const retention = { successes: 5, days: 90 }
  const later = () => Date.now() + 60_000

  /** Which runs stay, by the rule as people say it, written without a look at the product's SQL. */
  async function survivors({
    successes,
    days,
  }: {
    successes: number | null
    days: number
  }): Promise<number[]> {
    const runs = await sql`
      select r.id, r.definition_id, r.status, r.fills, r.finished_at < clock_timestamp() - make_interval(days => ${days}) as old,
             coalesce(b.finished_at is null and b.id is not null, false) as open
        from viewkeeper.runs r left join viewkeeper.batches b on b.id = r.batch_id order by r.id`
    const kept = new Set<number>()
    for (const of of Map.groupBy(runs, ({ definition_id: id }) => id).values()) {
      const succeeded = of.filter(({ status }) => status === 'success')
      const last = [
        succeeded.findLast(({ fills }) => fills),
        of.findLast(({ status }) => status === 'failed'),
      ]
      const keep = successes === null ? succeeded.filter(({ old }) => !old) : succeeded.slice(-successes)
      const others = of.filter(({ status, old }) => status !== 'success' && !old)
      for (const run of [
        ...last,
        ...keep,
        ...others,
        ...of.filter(({ open, status }) => open || status === 'running'),
      ]) {
        if (run) kept.add(run.id)
      }
    }
    return [...kept].sort((a, b) => a - b)
  }

  beforeEach(async () => {
    await clear()
    await sql`insert into viewkeeper.batches (id, trigger, selection, status) values ('open-batch', 'http', '{"all":true}', 'running')`
    await sql`
      insert into viewkeeper.batches (id, trigger, selection, status, requested_at, finished_at)
      values ('old-batch', 'http', '{"all":true}', 'success', now() - interval '200 days', now() - interval '200 days'),
             ('kept-batch', 'http', '{"all":true}', 'success', now() - interval '200 days', now() - interval '200 days')`
    const statuses = ['success', 'success', 'success', 'failed', 'skipped', 'canceled']
    await writePast([
      ...Array.from({ length: 600 }, (_, at) => ({
        view: ['steady', 'shaky', 'quiet'][at % 3] as string,
        ago: `${200 - at / 3} days`,
        status: at % 3 === 1 ? (statuses[(at * 7) % 5] as string) : 'success',
      })),
      { view: 'fresh', ago: '199 days', batchId: 'kept-batch' },
      { view: 'fresh', ago: '198 days', status: 'failed', batchId: 'open-batch' },
      { view: 'fresh', ago: '197 days', status: 'canceled' },
      { view: 'fresh', ago: '196 days', status: 'failed' },
      { view: 'fresh', ago: '195 days', operation: 'drop' },
    ])
  })

  test.each([
    retention,
    { successes: 1, days: 1 },
    { successes: null, days: 30 },
    { successes: 10_000, days: 10_000 },
  ])('keeps what %j says, each last success and last failure, and what is open', async (rule) => {
    const expected = await survivors(rule)
    const before = (await sql`select count(*)::int as count from viewkeeper.runs`)[0]?.count as number
    const pruned = await prune(database, rule, later())
    expect(pruned).toMatchObject({ done: true, runs: before - expected.length })
    const left = await sql`select id from viewkeeper.runs order by id`
    expect(left.map(({ id }) => id)).toEqual(expected)
  })

  test('leaves nothing behind that later reads have to pass', async () => {
    await prune(database, retention, later())
    const [runs] = await sql`
      select relpages > 0 and relallvisible = relpages as visible from pg_class where oid = 'viewkeeper.runs'::regclass`
    expect(runs).toEqual({ visible: true })
  })

  test('takes old batches whose runs are gone, and no other', async () => {
    expect(await prune(database, retention, later())).toMatchObject({ batches: 1 })
    const left = await sql`select id from viewkeeper.batches order by id`
    expect(left.map(({ id }) => id)).toEqual(['kept-batch', 'open-batch'])
  })

  test('takes any number of batches, in pieces', async () => {
    await sql`
      insert into viewkeeper.batches (trigger, selection, status, requested_at, finished_at)
      select 'http', '{"all":true}', 'success', now() - interval '200 days', now() - interval '200 days'
        from generate_series(1, 1200)`
    expect(await prune(database, retention, later())).toMatchObject({ batches: 1201, done: true })
  })

  test('ends when its time is up, and the next one goes on', async () => {
    expect(await prune(database, retention, Date.now() + 1000)).toEqual({ runs: 0, batches: 0, done: false })
    const expected = await survivors(retention)
    expect(await prune(database, retention, later())).toMatchObject({ done: true })
    expect((await sql`select id from viewkeeper.runs`).length).toBe(expected.length)
    expect(await prune(database, retention, later())).toEqual({ runs: 0, batches: 0, done: true })
  })
})
