import { beforeAll, describe, expect, test } from 'vitest'
import { dayList } from '../../../src/api/answers.ts'
import { routes } from '../../../src/api/routes.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { getDays, getMetrics } from '../../../src/watch/read-views.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useHistory } from './past.ts'

const { database, sql, clear, writePast } = useHistory()

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
    const measured = await getMetrics(database, { windowSeconds: 86_400 })
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
      lastFailure: { class: 'ViewSqlFailed', at: expect.any(Date) },
      maxStaleMs: null,
      stale: false,
    })
    expect(Math.round((shaky?.staleMs ?? 0) / 3_600_000)).toBe(3)
    expect(measured.find(({ view }) => view === 'public.quiet')).toMatchObject({
      runs: 0,
      staleMs: null, // as in the list of views: no run has made its data fresh
      successRate: null,
      lastStatus: null,
    })
  })

  test('each view has its days with runs: how many, how many failed, how the last one ended', async () => {
    await writePast([{ view: 'fresh', ago: '40 days' }])
    const runs = await sql<{ view: string; day: string; status: string }[]>`
      select 'public.' || view_name as view, (requested_at at time zone 'utc')::date::text as day, status
        from viewkeeper.runs where view_name in ('shaky', 'steady') order by id`
    const expected = Object.entries(Object.groupBy(runs, ({ view }) => view)).map(([view, ofView]) => ({
      view,
      days: Object.entries(Object.groupBy(ofView!, ({ day }) => day))
        .map(([day, ofDay]) => ({
          day,
          last: ofDay!.at(-1)!.status,
          runs: ofDay!.length,
          failed: ofDay!.filter(({ status }) => status === 'failed').length,
        }))
        .sort((a, b) => (a.day < b.day ? -1 : 1)),
    }))
    expected.sort((a, b) => (a.view < b.view ? -1 : 1))
    const views = await getDays(database, 14)
    expect(dayList.parse({ views, next: null })).toEqual({ views: expected, next: null })
    expect(expected.flatMap(({ days }) => days).length).toBeGreaterThan(2)
    const today = new Date().toISOString().slice(0, 10)
    for (const { days } of await getDays(database, 1))
      for (const { day } of days) expect(day >= today).toBe(true)
  })

  test('a longer window counts more, and one view may be asked for', async () => {
    const { query } = routes.getMetrics.takes!
    const { window: windowSeconds } = query!.parse({ window: '3d' })
    const [steady] = await getMetrics(database, { view: 'steady', windowSeconds })
    expect(steady).toMatchObject({ view: 'public.steady', runs: 6, averageMs: 483 })
    expect(query!.safeParse({ window: 'yesterday' }).success).toBe(false)
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
    await updateRows(sql, 'runs', {}, { rowCountAfter: sql`id * 10` })
    expect(await latest()).toEqual(await sought())
    await writePast(Array(2500).fill({ view: 'steady', ago: '1 s', status: 'skipped' }))
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

  test('runs are searched by their times, although a put-back writes runs of earlier times at its end', async () => {
    await clear()
    await writePast(
      Array.from({ length: 12 }, (_, at) => ({ view: 'steady', ago: `${60 - 5 * at} minutes` })),
    )
    await writePast(Array.from({ length: 20 }, (_, at) => ({ view: 'fresh', ago: `${59 - at} minutes` })))
    const then = new Date(Date.now() - 32 * 60_000)
    const found = async (times: { since?: Date; until?: Date }) =>
      (await listRuns(database, { ...times, limit: 50 })).runs.length
    expect(await found({ since: then })).toBe(6)
    expect(await found({ until: then })).toBe(26)
  })
})
