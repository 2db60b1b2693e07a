import { beforeAll, beforeEach, expect, test } from 'vitest'
import { filters } from '../../../src/catalog/plan/state.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { getMetrics, getView, listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import type { Problem } from '../../../src/words/problem.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { useHistory } from './past.ts'

const { database, sql, writePast } = useHistory()
const schedules = unscheduled
const missing = async () => namesByKind(await monitor(database, { schedules, publish: unheard })).missing
const listed = async (state: keyof typeof filters) => (await listViews(database)).views.filter(filters[state])

beforeAll(async () => {
  await updateRows(sql, 'definitions', { name: ['steady', 'quiet'] }, { source: 'authored' })
  await writePast([{ view: 'steady', ago: '1 hours' }])
  await sql`drop materialized view steady`
  await sql`drop materialized view shaky`
})
beforeEach(() => pauseView(database, 'steady', false, 'test'))

test('an authored view that somebody dropped is missing; a discovered one is gone', async () => {
  expect(await missing()).toEqual(['public.steady'])
  expect(await listed('missing')).toMatchObject([
    {
      view: 'public.steady',
      missing: true,
      populated: false,
      sizeBytes: null,
      lastRun: { status: 'success' },
    },
  ])
  const all = (await listViews(database)).views.map(({ view }) => view)
  expect(all).toEqual(['public.fresh', 'public.quiet', 'public.steady'])
  expect(await listed('unpopulated')).toEqual([])
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
  const { causes } = await getWhy(database, 'steady', { schedules, typed: 'shop' })
  expect(causes[0]).toMatchObject({
    code: 'Missing',
    text: expect.stringMatching(said),
    next: 'viewkeeper migrate up --repair --env shop',
  })
  // Of a drop with Viewkeeper the record knows who it was.
  await sql`create materialized view steady as select 1 as id`
  const { runId } = await drop({ view: 'steady' }, { ...callOn(database), requestedBy: 'ann' })
  const told = (await getWhy(database, 'steady', { schedules, typed: null })).causes[0]?.text
  expect(told).toMatch(`public.steady is authored and missing: run ${runId} dropped it at `)
  expect(told).toMatch(/, asked for by ann\.$/)
  await deleteRows(sql, 'runs', { id: runId })
})

test('a missing view can be read with its runs, and in SQL', async () => {
  const gone = { missing: true, owner: null, sql: null, indexes: [], recentRuns: [{ status: 'success' }] }
  expect(await getView(database, 'steady')).toMatchObject(gone)
  await expect(getView(database, 'shaky')).rejects.toMatchObject({ code: 'UnknownView' })
  const metrics = await getMetrics(database, { view: 'steady', windowSeconds: 86_400 })
  expect(metrics).toMatchObject([{ view: 'public.steady', missing: true }])
  expect(await sql`select view from viewkeeper.view_status where missing`).toEqual([
    { view: 'public.steady' },
  ])
})

test('a missing view that is paused, or a view that is made again, is no alarm', async () => {
  await pauseView(database, 'steady', true, 'test')
  expect(await missing()).toEqual([])
  expect(await listed('missing')).toHaveLength(1)
  await pauseView(database, 'steady', false, 'test')
  expect(await missing()).toEqual(['public.steady'])
  await sql`create materialized view steady as select 1 as id`
  expect(await missing()).toEqual([])
  await sql`drop materialized view steady`
})
