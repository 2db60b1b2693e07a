import { beforeEach, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import type { ViewList } from '../../../src/api/answers.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { listActions } from '../../../src/watch/read-views.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { useDatabase } from '../../support/servers/database.ts'

// Pauses that end by themselves, and those that somebody has forgotten.

const { url, sql, database } = useDatabase()

const ask = async (routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) =>
  parsed((await api(httpEvent(routeKey, options), lambdaContext())) as never)
const pause = (body: object) => ask('POST /views/{view}/pause', { path: { view: 'sales' }, body })
const list = async () => (await ask('GET /views')).body as unknown as ViewList
const sales = async () => {
  const { view, paused, pausedUntil } = (await list()).views[0]!
  return { view, paused, pausedUntil }
}
const look = () => monitor(database, { schedules: unscheduled, publish: unheard })
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

beforeEach(async () => {
  vi.stubEnv('DATABASE_URL', url)
  await sql.unsafe(`
    drop materialized view if exists sales; create materialized view sales as select 1 as id;
    delete from viewkeeper.switches where key in ('paused', 'pause ends'); update viewkeeper.definitions set paused_at = null`)
  return () => vi.unstubAllEnvs()
})

test('a pause of a view ends at its moment: a look of the monitor ends it, and the end is on record', async () => {
  const until = inAnHour()
  expect(await pause({ until })).toMatchObject({ statusCode: 200, body: { paused: true } })
  await look()
  expect(await sales()).toEqual({ view: 'public.sales', paused: true, pausedUntil: until })
  await sql`update viewkeeper.switches set value = (select jsonb_object_agg(key, now()) from jsonb_each(value)) where key = 'pause ends'`
  await look()
  expect(await sales()).toEqual({ view: 'public.sales', paused: false, pausedUntil: null })
  const { actions } = await listActions(database, { limit: 1 })
  expect(actions).toMatchObject([
    { action: 'resume', requestedBy: 'the end of the pause', views: ['public.sales'] },
  ])
})

test('who pauses again gives the pause another end, or none; a resume forgets the end', async () => {
  await pause({ until: inAnHour() })
  const later = new Date(Date.now() + 7_200_000).toISOString()
  await pause({ until: later })
  expect(await sales()).toMatchObject({ pausedUntil: later })
  await pause({})
  expect(await sales()).toMatchObject({ paused: true, pausedUntil: null })
  await pause({ until: later })
  await ask('POST /views/{view}/resume', { path: { view: 'sales' } })
  await pause({})
  expect(await sales()).toMatchObject({ paused: true, pausedUntil: null })
})

test('a pause of everything ends at its moment, too', async () => {
  const until = inAnHour()
  await ask('POST /pause', { body: { until } })
  await look()
  expect((await list()).paused).toMatchObject({ until })
  await sql`update viewkeeper.switches set value = value || jsonb_build_object('until', now()) where key = 'paused'`
  await look()
  expect((await list()).paused).toBeNull()
})

test('a moment that is over, and what is none, is refused', async () => {
  for (const until of ['2020-01-01T00:00:00Z', 'tomorrow'])
    expect(await pause({ until })).toMatchObject({
      statusCode: 400,
      body: { code: 'InvalidRequest', field: 'until' },
    })
})

test('a pause of a week without an end is said everywhere, until it has one', async () => {
  await pause({})
  await look()
  await sql`update viewkeeper.definitions set paused_at = now() - interval '8 days'`
  const lines = async () => (await list()).silence!.lines
  expect(await lines()).toEqual([
    'paused for a week or longer, without an end: public.sales. Resume them, or say until when: viewkeeper pause public.sales --for 3d --env local',
  ])
  await pause({ until: inAnHour() })
  expect(await lines()).toEqual([])
})
