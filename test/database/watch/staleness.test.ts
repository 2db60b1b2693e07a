import { beforeEach, expect, test } from 'vitest'
import { type Schedules, unscheduled } from '../../../src/due/schedules.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getMetrics, listViews } from '../../../src/watch/read-views.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { updateRows } from '../../support/record/rows.ts'
import { namesByKind } from '../../support/views/wrong.ts'
import { useHistory } from './past.ts'

const { database, sql, clear, writePast, expectForLong } = useHistory()
const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }
const look = (schedules: Schedules) => monitor(database, { schedules, publish: unheard })

beforeEach(async () => {
  await clear()
  const plain = { maxStalenessSeconds: null, schedule: null, timeZone: null, inAll: true }
  await updateRows(sql, 'definitions', {}, plain)
  await expectForLong('steady', 'shaky', 'quiet', 'fresh')
})

test('SQL, the monitor and both lists name the same stale views, with the same limits', async () => {
  const often = { schedule: '*/15 * * * *', timeZone: 'UTC' }
  await updateRows(sql, 'definitions', { view: 'steady' }, { maxStalenessSeconds: 3600 })
  await updateRows(sql, 'definitions', { view: 'shaky' }, often)
  await updateRows(sql, 'definitions', { view: 'fresh' }, { inAll: false })
  await expectForLong('steady', 'shaky', 'quiet', 'fresh')
  await writePast([
    { view: 'steady', ago: '2 hours' },
    { view: 'shaky', ago: '30 minutes' },
    { view: 'quiet', ago: '30 hours', durationMs: 3 * 3600 * 1000 },
    { view: 'fresh', ago: '90 days' },
  ])
  const { incidents } = await look({ nightly, views: true })
  expect(incidents).toMatchObject([{ kind: 'stale', name: 'public.steady', maxStalenessSeconds: 3600 }])
  expect(incidents[0]?.ageSeconds).toBeGreaterThanOrEqual(7199)

  const hour = 3600
  const limits = { fresh: null, quiet: 24 * hour + 6 * hour, shaky: 900 + hour, steady: hour }
  const status = await sql`
    select name, schedule, extract(epoch from max_staleness)::integer as seconds, stale from viewkeeper.view_status order by 1`
  expect(Object.fromEntries(status.map(({ name, seconds }) => [name, seconds]))).toEqual(limits)
  expect(status.filter((row) => row.stale).map(({ name }) => name)).toEqual(['steady'])
  expect(status.find(({ name }) => name === 'shaky')?.schedule).toBe('*/15 * * * *')

  const { views } = await listViews(database)
  for (const listed of [views, await getMetrics(database, { windowSeconds: 86_400 })]) {
    expect(
      Object.fromEntries(
        listed.map(({ view, maxStaleMs }) => [view.slice(7), maxStaleMs === null ? null : maxStaleMs / 1000]),
      ),
    ).toEqual(limits)
    expect(listed.filter((each) => each.stale).map(({ view }) => view)).toEqual(['public.steady'])
  }
})

test('a schedule that ends, or an environment without schedules, expects nothing any more', async () => {
  await writePast([{ view: 'quiet', ago: '90 days' }])
  const names = async (schedules: Schedules) => namesByKind(await look(schedules)).stale
  expect(await names({ nightly, views: false })).toContain('public.quiet')
  expect(await names(unscheduled)).toEqual([])
  expect(await sql`select from viewkeeper.view_status where max_staleness is not null`).toHaveLength(0)
})

test('a look that changes no interval writes no definition', async () => {
  const versions = () => sql`select id, xmin::text from viewkeeper.definitions order by id`
  await look({ nightly, views: true })
  const before = await versions()
  await look({ nightly, views: true })
  expect(await versions()).toEqual(before)
})
