import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { recommendationList } from '../../../src/edge/http/schemas/answers.ts'
import { getRecommendations } from '../../../src/operations/monitoring/recommend.ts'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { define } from '../../support/views/batches.ts'

const { url, database, sql } = useDatabase()
const schedules = { nightly: null, views: true, looks: { everySeconds: 60 } }

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  vi.spyOn(console, 'info').mockReturnValue()
})
afterAll(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const about = async (view: string) =>
  (await getRecommendations(database, schedules)).filter((each) => each.view === `public.${view}`)

async function refreshed(view: string, times: number): Promise<void> {
  for (let at = 0; at < times; at++)
    await refresh({ view, strategy: 'regular', force: true }, callOn(database))
}

test('what the record says of durations is told with its figures, and as too early with few refreshes', async () => {
  await sql.unsafe('create materialized view slow as select 1 as n')
  await define(sql, 'public.slow', { refresh_strategy: 'regular', target_lag_seconds: 60 })
  await refreshed('slow', 19)
  await sql`update viewkeeper.runs set duration_ms = 30000 where view_name = 'slow'`
  const early = await about('slow')
  expect(early.map(({ subject, change, confidence }) => [subject, change, confidence])).toEqual([
    ['target', null, 'none'],
    ['strategy', null, 'none'],
  ])
  await refreshed('slow', 1)
  await sql`update viewkeeper.runs set duration_ms = 30000 where view_name = 'slow'`
  const { body } = parsed((await api(httpEvent('GET /recommendations'), lambdaContext())) as never)
  expect(recommendationList.parse(body).next).toBeNull()
  expect(await about('slow')).toMatchObject([
    { subject: 'target', change: 'targetLagSeconds: 180', confidence: 'fair', refreshes: 20 },
    {
      subject: 'strategy',
      change: "strategy: 'auto', and uniqueKey: ['<the columns that identify a row>']",
      text: '20 of the last 20 refreshes were regular and locked readers out for 30 s each, as strategy "regular" asks',
    },
  ])
})

test('a view that auto refreshes regularly for want of a key is to get one, with the reason of its last run', async () => {
  await sql.unsafe('create materialized view keyless as select 1 as n')
  await refreshed('keyless', 20)
  await sql`
    update viewkeeper.runs set duration_ms = 12000, meta = jsonb_set(meta, '{response,because}', '"there is no usable unique index"')
     where view_name = 'keyless'`
  expect(await about('keyless')).toMatchObject([
    {
      subject: 'key',
      change: 'create unique index concurrently on public.keyless (<the columns that identify a row>)',
      text: '20 of the last 20 refreshes were regular and locked readers out for 12 s each: there is no usable unique index',
    },
  ])
  // Other reasons for a regular refresh do not count.
  const because = (reason: string, last: number) => sql`
    update viewkeeper.runs set meta = jsonb_set(meta, '{response,because}', to_jsonb(${reason}::text))
     where id in (select id from viewkeeper.runs where view_name = 'keyless' order by id desc limit ${last})`
  await because('the view is unpopulated, so it has no readers to spare', 1)
  expect(await about('keyless')).toEqual([])
  await because('there is no usable unique index', 20)
  expect(await about('keyless')).toHaveLength(1)
  await because('requested', 20)
  await because('there is no usable unique index', 1)
  expect(await about('keyless')).toEqual([])
  await because('there is no usable unique index', 20)
  await sql`create unique index on keyless (n)`
  expect(await about('keyless')).toEqual([])
})
