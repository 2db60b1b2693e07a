import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { cancelBatch } from '../../../src/batch/end.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { deep } from '../../support/deep.ts'
import { cancelOpenBatches } from '../../support/record/open-batches.ts'
import { define, updateRows } from '../../support/record/rows.ts'
import { callOn, readersOf, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin, retryAtOnce } from '../../support/views/batches.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas, tellRows } from '../../support/views/gated-group.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

beforeAll(() => retryAtOnce(sql))

/** A day: any refresh locks readers out no longer, so whatever is known of a view's duration, it is refreshed in place. */
const inPlace = connectTo(fromUrl(url), { regularUpToMs: 86_400_000 })

afterEach(() => cancelOpenBatches(database))

/** A group whose views have been refreshed by an exchange, so that it is known how long each takes. */
async function makeKnownGroup(name: string): Promise<string[]> {
  await makeGatedGroup(sql, name)
  const views = gatedGroup(name)
  await advanceToEnd(database, await begin(database, { views }))
  await sql.unsafe(`insert into ${name}_t values (3)`)
  return views
}

const each = (name: string, statuses: string[]) =>
  Object.fromEntries(gatedGroup(name).map((view) => [view, statuses]))

const runsOf = (batchId: string) => sql<
  {
    view: string
    leads: boolean
    strategy: string
    lockedMs: number
    fillMs: number
    before: number | null
  }[]
>`
  select view_name as view, group_run_id is null as leads, meta #>> '{response,strategy}' as strategy,
         (meta #> '{response,lockedMs}')::int as "lockedMs", (meta #> '{response,fillMs}')::int as "fillMs",
         row_count_before::int as before
    from viewkeeper.runs where batch_id = ${batchId} and status = 'success' order by id`

/** Does `work` while the middle view of a group is being refreshed in place, then ends the batch. */
async function duringRefresh(name: string, work: (batchId: string, pid: number) => Promise<unknown>) {
  const batchId = await begin(inPlace, { views: gatedGroup(name), retries: 1 })
  await withGateClosed(sql, `${name}_mid`, async (open) => {
    const ended = advanceToEnd(inPlace, batchId)
    await work(batchId, await untilAtGate(sql, `${name}_mid`))
    await open()
    await ended
  })
  return { batchId, batch: await getBatch(database, batchId), ...(await accountOf(sql, batchId)) }
}

describe('a group whose refresh locks readers out no longer than an exchange', () => {
  test('is refreshed where it is, by one run in one transaction, and has no shadows', async () => {
    const views = await makeKnownGroup('quick')
    const { batchId, batch, statuses } = await duringRefresh('quick', async (_, pid) => {
      expect(await shadowSchemas(sql)).toEqual([])
      // Closed for longer than all that came before it took, so that the middle view took longer than the first.
      const [reached] = await sql<[{ at: string; after: string }]>`
        select clock_timestamp()::text as at, (clock_timestamp() - query_start)::text as after from pg_stat_activity where pid = ${pid}`
      await until('the gate was closed long enough', async () => {
        const [{ enough }] = await sql<
          [{ enough: boolean }]
        >`select clock_timestamp() - ${reached.at}::text::timestamptz > ${reached.after}::text::interval as enough`
        return enough
      })
    })
    expect(batch).toMatchObject({ status: 'success', refreshedEach: [], shadowBytes: 0 })
    expect(batch.groups).toEqual([
      { views: views.map((view) => `public.${view}`), shadowBytes: 0, inPlace: true, givenUp: null },
    ])
    expect(statuses).toEqual(each('quick', ['success']))
    const runs = await runsOf(batchId)
    expect(runs.map(({ view, leads, strategy }) => [view, leads, strategy])).toEqual([
      ['quick_base', true, 'regular'],
      ['quick_mid', false, 'regular'],
      ['quick_top', false, 'regular'],
    ])
    expect(runs.map(({ before }) => before)).toEqual([1, 1, 1])
    expect(new Set(runs.map(({ lockedMs }) => lockedMs)).size).toBe(1)
    // Each has the time of its own rows: the gate was closed for the middle one only.
    expect(runs[1]!.fillMs).toBeGreaterThan(runs[0]!.fillMs)
    expect(await tellRows(sql, 'quick')).toEqual([3, 3, 3, 3])
    const [record] = await sql`
      select count(distinct r.finished_at)::int as moments, bool_and(r.filled = viewkeeper.filling(c.oid)) as filled, bool_and(r.as_of is not null) as aged
        from viewkeeper.runs r join pg_class c on c.oid = to_regclass(r.view_name) where r.batch_id = ${batchId}`
    expect(record).toEqual({ moments: 1, filled: true, aged: true })
  })

  test('shows readers no mixture', deep, async () => {
    await makeKnownGroup('mixed')
    const readers = readersOf(url)
    let over = false
    let reads = 0
    const reading = (async () => {
      while (!over) {
        expect(new Set(await tellRows(readers, 'mixed')).size).toBe(1)
        reads++
      }
    })()
    let night = 0
    for (; night < 5 || reads <= 5; night++) {
      await sql`insert into mixed_t values (0)`
      await advanceToEnd(inPlace, await begin(inPlace, { views: gatedGroup('mixed') }))
    }
    over = true
    await reading
    await readers.end()
    expect(await tellRows(sql, 'mixed')).toEqual(Array(4).fill(3 + night))
  })

  test('is refreshed view by view if one of them fails: only that one and its readers stay as they are', async () => {
    await makeKnownGroup('broken')
    await sql`create or replace function broken_mid_gate() returns integer language sql as 'select 1 / 0'`
    const batchId = await begin(inPlace, { views: gatedGroup('broken'), retries: 1 })
    expect(await advanceToEnd(inPlace, batchId)).toMatchObject({ status: 'failed' })
    const { statuses } = await accountOf(sql, batchId)
    expect(statuses).toEqual({
      broken_base: ['failed', 'success'],
      broken_mid: ['failed', 'failed'],
      broken_top: ['failed', 'skipped'],
    })
    const { groups } = await getBatch(database, batchId)
    expect(groups[0]?.givenUp?.message).toContain('in one transaction')
    expect(await sql`select n from broken_base`).toEqual([{ n: 3 }])
  })

  test('is refreshed without a view that was paused meanwhile', deep, async () => {
    await makeKnownGroup('still')
    const batchId = await begin(inPlace, { views: gatedGroup('still') })
    await advance(batchId, { database: inPlace, until: Date.now() })
    await pauseView(database, 'still_mid', true, 'test')
    expect(await advanceToEnd(inPlace, batchId)).toMatchObject({ status: 'success' })
    const { statuses } = await accountOf(sql, batchId)
    expect(statuses).toEqual({ still_base: ['success'], still_mid: ['skipped'], still_top: ['success'] })
  })

  test('is sent again if its process ends', deep, async () => {
    await makeKnownGroup('lost')
    const { batch, statuses } = await duringRefresh('lost', (_, pid) => endProcess(sql, pid))
    expect(batch.status).toBe('success')
    expect(statuses).toEqual(each('lost', ['failed', 'success']))
    expect(await tellRows(sql, 'lost')).toEqual([3, 3, 3, 3])
  })

  test('is canceled as a whole', deep, async () => {
    await makeKnownGroup('gone')
    const { batch, statuses } = await duringRefresh('gone', (batchId) =>
      cancelBatch(batchId, callOn(database)),
    )
    expect(batch.status).toBe('canceled')
    expect(statuses).toEqual(each('gone', ['canceled']))
    expect(await tellRows(sql, 'gone')).toEqual([2, 2, 2, 2])
  })

  test('waits for what its views read besides', deep, async () => {
    await makeGatedGroup(sql, 'after')
    await makeGatedView(sql, 'after_aside')
    await sql`create materialized view after_more as select top.id from after_top top join after_aside aside using (id)`
    await define(sql, 'public.after_aside', { refresh_strategy: 'regular' })
    const views = [...gatedGroup('after'), 'after_more', 'after_aside']
    await advanceToEnd(database, await begin(database, { views }))
    const batchId = await begin(inPlace, { views })
    await withGateClosed(sql, 'after_aside', async (open) => {
      const ended = advanceToEnd(inPlace, batchId)
      await untilAtGate(sql, 'after_aside')
      expect((await getBatch(database, batchId)).groups).toMatchObject([{ views: { length: 4 } }])
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    const [order] = await sql`
      select min(r.started_at) filter (where r.view_name <> 'after_aside') > max(r.finished_at) filter (where r.view_name = 'after_aside') as after,
             count(distinct r.finished_at)::int as moments from viewkeeper.runs r where r.batch_id = ${batchId}`
    expect(order).toEqual({ after: true, moments: 2 })
  })

  test(
    'is exchanged, as long as nobody knows how long one of its views takes, or one wants more of a refresh',
    deep,
    async () => {
      await makeGatedGroup(sql, 'unknown')
      const strategies = async () => {
        const batchId = await begin(inPlace, { views: gatedGroup('unknown') })
        await advanceToEnd(inPlace, batchId)
        return [...new Set((await runsOf(batchId)).map(({ strategy }) => strategy))]
      }
      expect(await strategies()).toEqual(['swap'])
      await updateRows(sql, 'definitions', { view: 'unknown_top' }, { checks: { rows: { min: 1 } } })
      expect(await strategies()).toEqual(['swap'])
      await updateRows(sql, 'definitions', { view: 'unknown_top' }, { checks: {} })
      expect(await strategies()).toEqual(['regular'])
    },
  )
})
