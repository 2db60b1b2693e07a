import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { define } from '../../support/views/batches.ts'
import { hourHalfADayAway } from '../../support/waiting/half-a-day.ts'

const { url, database, sql } = useDatabase()

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  for (const name of ['hourly', 'by_night', 'never'])
    await sql.unsafe(`create materialized view ${name} as select 1 as id`)
  const hourly = { schedule: '0 * * * *', time_zone: 'Europe/Berlin' }
  await define(sql, 'public.hourly', { ...hourly, in_all: false })
  await define(sql, 'public.by_night', { in_all: true })
  await define(sql, 'public.never', { in_all: false })
})
afterAll(() => {
  vi.unstubAllEnvs()
})

const get = async (routeKey: string, options = {}) =>
  parsed((await api(httpEvent(routeKey, options), lambdaContext())) as never).body

async function nextRuns(): Promise<Record<string, string | null>> {
  const { views } = await get('GET /views')
  return Object.fromEntries(views.map(({ name, nextRun }: Record<string, string>) => [name, nextRun]))
}

const none = { hourly: null, by_night: null, never: null }

describe('the next run of a view', () => {
  test('is none in an environment without schedules', async () => {
    expect(await nextRuns()).toEqual(none)
  })

  test("is the next time of the view's own schedule or of the nightly refresh, until a pause", async () => {
    const at = `${String(hourHalfADayAway).padStart(2, '0')}:30`
    vi.stubEnv('SCHEDULES', JSON.stringify({ nightly: { at } }))
    const runs = await nextRuns()
    expect(runs).toEqual({
      hourly: expect.stringMatching(/:00:00\.000Z$/),
      by_night: expect.stringContaining(`T${at}:00.000Z`),
      never: null,
    })
    const hourMs = 3_600_000
    const inMs = Date.parse(runs.hourly as string) - Date.now()
    expect(inMs).toBeGreaterThan(-hourMs / 60)
    expect(inMs).toBeLessThanOrEqual(hourMs)
    const one = await get('GET /views/{view}', { path: { view: 'by_night' } })
    expect(one.nextRun).toBe(runs.by_night)

    await pauseView(database, 'by_night', true, 'test')
    expect(await nextRuns()).toMatchObject({ by_night: null, hourly: expect.any(String) })
    await pauseAll(database, true, 'test')
    expect(await nextRuns()).toEqual(none)
  })
})
