import { beforeAll, beforeEach, expect, test } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import { handler as monitor } from '../../../functions/monitor.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { getWhy } from '../../../src/watch/why.ts'
import type { Problem } from '../../../src/words/problem.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { callOn } from '../../support/servers/database.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { useHistory, usePublished } from './past.ts'

const { url, database, sql, writePast } = useHistory()
const { lines, published } = usePublished(url)
const context = lambdaContext()
const ask = async (route: string, more: object = {}) =>
  parsed((await api(httpEvent(route, more), context)) as never)
const missing = async () => namesByKind(await monitor({}, context)).missing

beforeAll(async () => {
  await sql`update viewkeeper.definitions set source = 'authored' where name in ('steady', 'quiet')`
  await writePast([{ view: 'steady', ago: '1 hours' }])
  await sql`drop materialized view steady`
  await sql`drop materialized view shaky`
})
beforeEach(() => pauseView(database, 'steady', false, 'test'))

test('an authored view that somebody dropped is missing; a discovered one is gone', async () => {
  expect(await missing()).toEqual(['public.steady'])
  expect(published('ViewsMissing')).toEqual([1])
  expect(lines).toContainEqual(
    expect.objectContaining({ message: 'views are missing', level: 'WARN', views: ['public.steady'] }),
  )
  const listed = await ask('GET /views', { query: { state: 'missing' } })
  expect(listed.body.views).toMatchObject([
    {
      view: 'public.steady',
      missing: true,
      populated: false,
      sizeBytes: null,
      lastRun: { status: 'success' },
    },
  ])
  const all = (await ask('GET /views')).body.views.map(({ view }: { view: string }) => view)
  expect(all).toEqual(['public.fresh', 'public.quiet', 'public.steady'])
  const unpopulated = await ask('GET /views', { query: { state: 'unpopulated' } })
  expect(unpopulated.body.views).toEqual([])
})

test('a refresh of a missing view, and why, say since when it is gone, and what makes it again', async () => {
  await missing()
  const seen = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d UTC`
  const said = new RegExp(
    `^public\\.steady is authored and missing: somebody dropped it, not with Viewkeeper, after ${seen} and before ${seen}\\.$`,
  )
  const refused = await refusalOf(refresh({ view: 'steady' }, callOn(database)))
  expect(refused).toMatchObject({ code: 'UnknownView', message: expect.stringMatching(said) })
  expect((refused as Problem).details.next).toBe('viewkeeper migrate up --repair')
  const { causes } = await getWhy(database, 'steady', { schedules: unscheduled, typed: 'shop' })
  expect(causes[0]).toMatchObject({
    code: 'Missing',
    text: expect.stringMatching(said),
    next: 'viewkeeper migrate up --repair --env shop',
  })
  // Of a drop with Viewkeeper the record knows who it was.
  await sql`create materialized view steady as select 1 as id`
  const { runId } = await drop({ view: 'steady' }, { ...callOn(database), requestedBy: 'ann' })
  const told = (await getWhy(database, 'steady', { schedules: unscheduled, typed: null })).causes[0]?.text
  expect(told).toMatch(`public.steady is authored and missing: run ${runId} dropped it at `)
  expect(told).toMatch(/, asked for by ann\.$/)
  await sql`delete from viewkeeper.runs where id = ${runId}`
})

test('a missing view can be read with its runs, and in SQL', async () => {
  const answer = await ask('GET /views/{view}', { path: { view: 'steady' } })
  expect(answer).toMatchObject({
    statusCode: 200,
    body: { missing: true, owner: null, sql: null, indexes: [], recentRuns: [{ status: 'success' }] },
  })
  expect((await ask('GET /views/{view}', { path: { view: 'shaky' } })).body.code).toBe('UnknownView')
  const metrics = await ask('GET /view-metrics', { query: { view: 'steady' } })
  expect(metrics.body.metrics).toMatchObject([{ view: 'public.steady', missing: true }])
  expect(await sql`select view from viewkeeper.view_status where missing`).toEqual([
    { view: 'public.steady' },
  ])
})

test('a missing view that is paused, or a view that is made again, is no alarm', async () => {
  await pauseView(database, 'steady', true, 'test')
  expect(await missing()).toEqual([])
  expect((await ask('GET /views', { query: { state: 'missing' } })).body.views).toHaveLength(1)
  await pauseView(database, 'steady', false, 'test')
  expect(await missing()).toEqual(['public.steady'])
  await sql`create materialized view steady as select 1 as id`
  lines.length = 0
  expect(await missing()).toEqual([])
  expect(published('ViewsMissing')).toEqual([0])
  await sql`drop materialized view steady`
})
