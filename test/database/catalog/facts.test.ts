import { beforeEach, expect, test } from 'vitest'
import type { Schedules } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { age } from '../../support/record/past.ts'
import { updateRows } from '../../support/record/rows.ts'
import { hourHalfADayAway } from '../../support/waiting/half-a-day.ts'
import { useHistory } from '../watch/past.ts'

const { database, sql, clear, writePast } = useHistory()
const schedules: Schedules = {
  nightly: { schedule: `0 ${hourHalfADayAway} * * *`, timeZone: 'UTC' },
  views: true,
  looks: { everySeconds: 60 },
}
beforeEach(clear)

const listed = async (view: string) =>
  (await listViews(database, schedules)).views.find((each) => each.view === `public.${view}`)!
const whyOf = (view: string) => getWhy(database, view, { schedules, typed: null })
const look = () => monitor(database, { schedules, publish: unheard, looks: { everySeconds: 60 } })

test('the last run is the one that ended last: a retry that failed after a run that was requested later', async () => {
  await writePast([
    { view: 'shaky', ago: '10 minutes', durationMs: 500_000, status: 'failed' },
    { view: 'shaky', ago: '5 minutes', durationMs: 1000 },
  ])
  const [failed] = await sql`select id from viewkeeper.runs where status = 'failed'`
  expect(await listed('shaky')).toMatchObject({
    state: 'failed',
    lastRun: { id: failed!.id, status: 'failed' },
  })
  expect((await whyOf('shaky')).causes[0]).toMatchObject({ code: 'Failed', runId: failed!.id })
  expect(
    await sql`select last_status, last_run_id, last_failure_id from viewkeeper.view_status where name = 'shaky'`,
  ).toEqual([{ last_status: 'failed', last_run_id: failed!.id, last_failure_id: failed!.id }])
})

test('and the other way round: a failure that ended before the success of an earlier request is over', async () => {
  await writePast([
    { view: 'shaky', ago: '10 minutes', durationMs: 500_000 },
    { view: 'shaky', ago: '5 minutes', durationMs: 1000, status: 'failed' },
  ])
  const { state, lastRun } = await listed('shaky')
  expect([state, lastRun?.status]).toEqual(['unlimited', 'success'])
})

test('a view that nobody has refreshed is unknown, and one whose only run failed is failed; neither is fresh', async () => {
  await writePast([{ view: 'shaky', ago: '1 minutes', status: 'failed' }])
  expect((await listed('fresh')).state).toBe('unknown')
  expect((await listed('shaky')).state).toBe('failed')
})

test('a view that is refreshed for the sake of another one has its limit, its next run and its name, in SQL, too', async () => {
  await sql`create materialized view above as select id from steady`
  await look()
  await updateRows(sql, 'definitions', { view: 'above' }, { targetLagSeconds: 900 })
  await writePast([
    { view: 'steady', ago: '10 minutes' },
    { view: 'above', ago: '10 minutes' },
  ])
  await look()
  const source = await listed('steady')
  expect(source).toMatchObject({
    promisedMs: 900_000,
    promisedFor: 'public.above',
    maxStaleMs: 900_000,
    nextBy: 'lag',
  })
  expect(Number(source.nextRun)).toBe(Number(source.asOf) + 900_000)
  await updateRows(sql, 'definitions', {}, { expectedSince: sql`now() - interval '1 day'` })
  await age(sql, '7 minutes')
  expect((await listed('steady')).state).toBe('stale')
  expect(await sql`select stale from viewkeeper.view_status where name = 'steady'`).toEqual([{ stale: true }])
  await updateRows(sql, 'definitions', { view: 'above' }, { targetLagSeconds: null })
  await look()
  expect(await listed('steady')).toMatchObject({ promisedMs: null, promisedFor: null, state: 'fresh' })
  await sql`drop materialized view above`
})
