import { beforeAll, describe, expect, test } from 'vitest'
import type { Schedules } from '../../../src/due/schedules.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { define } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { hourHalfADayAway } from '../../support/waiting/half-a-day.ts'

const { database, sql } = useDatabase()

beforeAll(async () => {
  for (const name of ['hourly', 'by_night', 'never'])
    await sql.unsafe(`create materialized view ${name} as select 1 as id`)
  const hourly = { schedule: '0 * * * *', time_zone: 'Europe/Berlin' }
  await define(sql, 'public.hourly', { ...hourly, in_all: false })
  await define(sql, 'public.by_night', { in_all: true })
  await define(sql, 'public.never', { in_all: false })
})

async function nextRuns(schedules?: Schedules) {
  const { views } = await listViews(database, schedules)
  return Object.fromEntries(views.map(({ name, nextRun }) => [name, nextRun]))
}

const none = { hourly: null, by_night: null, never: null }

describe('the next run of a view', () => {
  test('is none in an environment without schedules', async () => {
    expect(await nextRuns()).toEqual(none)
  })

  test("is the next time of the view's own schedule or of the nightly refresh, until a pause", async () => {
    const nightly = { schedule: `30 ${hourHalfADayAway} * * *`, timeZone: 'UTC' }
    const schedules = { nightly, views: true }
    const runs = await nextRuns(schedules)
    expect(runs).toEqual({ hourly: expect.any(Date), by_night: expect.any(Date), never: null })
    expect(runs.hourly!.toISOString()).toMatch(/:00:00\.000Z$/)
    const at = `${String(hourHalfADayAway).padStart(2, '0')}:30`
    expect(runs.by_night!.toISOString()).toContain(`T${at}:00.000Z`)
    const hourMs = 3_600_000
    const inMs = runs.hourly!.getTime() - Date.now()
    expect(inMs).toBeGreaterThan(-hourMs / 60)
    expect(inMs).toBeLessThanOrEqual(hourMs)
    expect((await getView(database, 'by_night', schedules)).nextRun).toEqual(runs.by_night)

    await pauseView(database, 'by_night', true, 'test')
    expect(await nextRuns(schedules)).toMatchObject({ by_night: null, hourly: expect.any(Date) })
    await pauseAll(database, true, 'test')
    expect(await nextRuns(schedules)).toEqual(none)
  })
})
