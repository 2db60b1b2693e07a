import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { plan as planSchema } from '../../../src/edge/http/schemas/answers.ts'
import { getPlan } from '../../../src/operations/monitoring/plan.ts'
import type { Schedules } from '../../../src/operations/monitoring/schedules.ts'
import { pauseAll } from '../../../src/operations/views/pause.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { define } from '../../support/views/batches.ts'
import { useHistory } from './past.ts'

const { url, database, sql, clear, writePast } = useHistory()
const schedules: Schedules = {
  nightly: { schedule: '30 2 * * *', timeZone: 'UTC' },
  views: true,
  looks: { everySeconds: 60 },
}

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  await define(sql, 'public.steady', { target_lag_seconds: 600, max_staleness_seconds: 600, in_all: false })
  await define(sql, 'public.shaky', { schedule: '*/10 * * * *', time_zone: 'UTC', in_all: false })
  await define(sql, 'public.quiet', { in_all: true, min_interval_seconds: 0 })
  await define(sql, 'public.fresh', { in_all: false })
})
beforeEach(clear)
afterAll(() => {
  vi.unstubAllEnvs()
})

const past = (view: string, durationMs: number) =>
  Array.from({ length: 25 }, (_, at) => ({ view, durationMs, ago: `${at + 1} hours` }))

test('the plan of a day goes by the usual durations, schedules and target lags of the record', async () => {
  await writePast([
    ...past('steady', 20_000),
    { view: 'steady', durationMs: 20_000, ago: '1 second' },
    ...past('shaky', 60_000),
    ...past('quiet', 5000),
  ])
  const { from, hours, views } = await getPlan(database, schedules)
  const [{ now }] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  expect(from.getTime() % 3600_000).toBe(0)
  expect(Math.abs(from.getTime() - now.getTime())).toBeLessThanOrEqual(3600_000)
  const byName = Object.fromEntries(views.map((each) => [each.view, each]))
  expect(byName['public.shaky']).toMatchObject({ refreshes: 144, turns: 144, usualMs: 60_000, succeeded: 25 })
  expect(byName['public.quiet']).toMatchObject({ refreshes: 1, turns: 1, busyMs: 5000 })
  expect(byName['public.fresh']).toMatchObject({ refreshes: 0, usualMs: null, succeeded: 0 })
  const { refreshes, oldestMs, broken } = byName['public.steady']!
  expect(refreshes).toBeGreaterThanOrEqual(24 * 6)
  expect(refreshes).toBeLessThan(24 * 12)
  expect(oldestMs).toBeLessThanOrEqual(600_000)
  expect(broken).toEqual([])
  const sum = (of: { busyMs: number }[]) => of.reduce((all, { busyMs }) => all + busyMs, 0)
  expect(sum(hours)).toBe(sum(views))
})

test('a schedule and a target lag that usual durations cannot keep are told', async () => {
  await writePast([...past('steady', 400_000), ...past('shaky', 700_000)])
  const { views } = await getPlan(database, schedules)
  const broken = Object.fromEntries(
    views.map(({ view, broken }) => [view, broken.map(({ promise }) => promise)]),
  )
  expect(broken).toMatchObject({ 'public.steady': ['lag'], 'public.shaky': ['schedule'], 'public.fresh': [] })
})

test('what was left out by history is left out in the plan, in the same proportion', async () => {
  await writePast(past('shaky', 60_000))
  await sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, status, trigger, finished_at, duration_ms, as_of, fills)
    select id, schema_name, name, 'refresh', 'skipped', 'schedule', clock_timestamp(), 0, clock_timestamp(), false
      from viewkeeper.definitions cross join generate_series(1, 75) where name = 'shaky'`
  const { views } = await getPlan(database, schedules)
  expect(views.find(({ view }) => view === 'public.shaky')).toMatchObject({ refreshes: 144, leftOut: 108 })
})

test('GET /plan answers as its schema says, also without schedules and while everything is paused', async () => {
  await writePast(past('steady', 20_000))
  const get = async () => parsed((await api(httpEvent('GET /plan'), lambdaContext())) as never).body
  const none = planSchema.parse(await get())
  expect(none.hours.map(({ refreshes }) => refreshes)).toEqual(Array(24).fill(0))
  vi.stubEnv('SCHEDULES', '{"nightly":{"at":"02:30"},"views":true}')
  await pauseAll(database, true, 'test')
  const paused = planSchema.parse(await get())
  await pauseAll(database, false, 'test')
  expect(paused).toMatchObject({ paused: true, next: null })
  expect(paused.views.find(({ view }) => view === 'public.quiet')).toMatchObject({ turns: 1 })
  expect(paused.views.find(({ view }) => view === 'public.steady')?.refreshes).toBeGreaterThan(0)
})
