import { beforeAll, beforeEach, expect, test } from 'vitest'
import { planLines } from '../../../cli/commands/operate/plan.ts'
import { type Plan, plan as planSchema } from '../../../src/api/answers.ts'
import { routes } from '../../../src/api/routes.ts'
import { type Schedules, unscheduled } from '../../../src/due/schedules.ts'
import { plain } from '../../../src/terminal/report.ts'
import { pauseAll } from '../../../src/watch/pause.ts'
import { servedOn } from '../../support/api/served.ts'
import { age } from '../../support/record/past.ts'
import { define, insertRow, updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { hourHalfADayAway } from '../../support/waiting/half-a-day.ts'
import { useHistory } from './past.ts'

const { database, sql, clear, writePast } = useHistory()

/** The nightly batch comes last, at whatever hour a test is run. */
const at = `${String(hourHalfADayAway).padStart(2, '0')}:30`
const atNight = `30 ${hourHalfADayAway} * * *`
const nightly = { schedule: atNight, timeZone: 'Etc/UTC' }

beforeAll(async () => {
  await sql`create materialized view above as select id from steady`
  await define(sql, 'public.above', { target_lag_seconds: 600, in_all: false })
  await define(sql, 'public.steady', { in_all: false })
  await define(sql, 'public.shaky', { schedule: '*/10 * * * *', time_zone: 'UTC', in_all: false })
  await define(sql, 'public.quiet', { in_all: true })
  await define(sql, 'public.fresh', { in_all: true, paused_at: new Date() })
})
beforeEach(clear)

const linesOf = (plan: Plan) => planLines(plan, { width: 120, paint: plain } as never)
async function get(more: Partial<Schedules> = {}): Promise<Plan> {
  const served = { ...servedOn(database), schedules: { nightly, views: true, ...more } }
  const answer = await routes.getPlan.answer(served, {}, callOn(database))
  return planSchema.parse(JSON.parse(JSON.stringify(answer)))
}

test('the plan says which schedules have a turn, what each refreshes and takes, and what target lags refresh for whom', async () => {
  const ran = (view: string, durationMs: number) =>
    Array.from({ length: 25 }, (_, at) => ({ view, durationMs, ago: `${at + 1} hours` }))
  await writePast([...ran('shaky', 60_000), ...ran('quiet', 5000)])
  const { schedules, lags, leftOut, from } = await get({ looks: { everySeconds: 60 } })
  expect(schedules).toMatchObject([
    { schedule: '*/10 * * * *', by: 'view', count: 144, views: ['public.shaky'], usualMs: 60_000 },
    { schedule: atNight, by: 'nightly', count: 1, views: ['public.quiet'], usualMs: 5000 },
  ])
  for (const { first } of schedules) expect(Date.parse(first)).toBeGreaterThan(Date.parse(from))
  expect(lags).toEqual([
    { view: 'public.above', lagMs: 600_000, for: null },
    { view: 'public.steady', lagMs: 600_000, for: 'public.above' },
  ])
  expect(leftOut).toEqual([{ view: 'public.fresh', because: 'paused', until: null }])
  const lines = linesOf({ from, paused: false, schedules, lags, leftOut })
  expect(lines[0]).toMatch(/: 145 turns of schedules$/)
  expect(lines[3]).toMatch(/144 {2}\*\/10 \* \* \* \* UTC +60 s +shaky/)
  expect(lines).toContain('steady: whenever its data become 10 min old, for above')
  expect(lines).toContain('fresh: paused')
})

test('schedules that refresh the same views at the same moment are named, with the moment', async () => {
  expect((await get()).schedules.map(({ meets }) => meets)).toEqual([[], []])
  await define(sql, 'public.shaky', { in_all: true })
  try {
    const plan = await get()
    const [meeting, ...more] = plan.schedules.flatMap(({ meets = [] }) => meets)
    expect(more).toEqual([])
    expect(meeting).toMatchObject({ schedule: atNight, timeZone: 'Etc/UTC', views: ['public.shaky'] })
    expect(meeting?.at).toContain(`T${at}:00`)
    expect(linesOf(plan).join(' ')).toMatch(/ \* Etc\/UTC meet at .* in shaky: /)
  } finally {
    await define(sql, 'public.shaky', { in_all: false })
  }
})

test('a suspended view is named with the time of its next try, and a duration that nobody knows is the median of the others', async () => {
  await writePast([{ view: 'shaky', durationMs: 60_000, ago: '2 hours' }])
  expect((await get()).schedules).toMatchObject([{ usualMs: 60_000 }, { usualMs: 60_000 }])
  await insertRow(sql, 'batches', { id: 'failing', trigger: 'schedule' })
  const updatedAt = sql`clock_timestamp() - interval '1 day'`
  const suspended = { suspendAfterFailures: 1, scheduledIntervalSeconds: 600, updatedAt }
  await updateRows(sql, 'definitions', { view: 'shaky' }, suspended)
  await writePast([{ view: 'shaky', status: 'failed', ago: '1 minute', batchId: 'failing' }])
  const plan = await get()
  const until = plan.leftOut.find(({ view }) => view === 'public.shaky')?.until ?? ''
  expect(plan.leftOut).toContainEqual({ view: 'public.shaky', because: 'suspended', until })
  expect(Date.parse(until)).toBeGreaterThan(Date.parse(plan.from))
  expect(linesOf(plan)).toContainEqual(expect.stringMatching(/^shaky: suspended until .+/))
  // When it is due again, it is left out no longer.
  await age(sql, '1 hour')
  expect((await get()).leftOut).toEqual([{ view: 'public.fresh', because: 'paused', until: null }])
})

test('without schedules it is empty; while everything is paused it is as if it were not', async () => {
  expect(await get(unscheduled)).toMatchObject({ schedules: [], lags: [], paused: false })
  await pauseAll(database, true, 'test')
  expect(await get()).toMatchObject({ paused: true, schedules: [{ count: 144 }, { count: 1 }] })
  await pauseAll(database, false, 'test')
})
