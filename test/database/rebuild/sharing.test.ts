import { describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { insertRow } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { shadowSchemas } from '../../support/views/gated-group.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

// Two views without anything in common but a view that reads both: whoever exchanges one of them makes that one anew, too.

const { database, sql, url } = useDatabase()

/** A slow view of a table, two quick ones, and a view that reads all three. */
async function makeShared(name: string, data = 'with data') {
  await sql.unsafe(`
    create table ${name}_t (v int); insert into ${name}_t values (1);
    create materialized view ${name}_quick as select 1 as id, count(*)::int as n from ${name}_t;
    create materialized view ${name}_other as select 1 as id, count(*)::int as n from ${name}_t`)
  await makeGatedView(sql, `${name}_slow`, `select 1 as id, count(*)::int as n from ${name}_t`)
  await sql.unsafe(`
    create materialized view ${name}_both as select s.n as slow, q.n as quick from ${name}_slow s, ${name}_quick q, ${name}_other o ${data};
    insert into ${name}_t values (2)`)
}

const told = async (name: string) => {
  const [row] = await sql.unsafe(`select s.n as slow, q.n as quick from ${name}_slow s, ${name}_quick q`)
  return row
}

/** The runs of both views and of what reads them, in the order of their ends. */
const runsOf = (name: string, status = 'success') =>
  sql<{ view: string; batch: string | null; fills: boolean }[]>`
    select view_name as view, batch_id as batch, fills from viewkeeper.runs
     where starts_with(view_name, ${name}) and status = ${status} order by finished_at, id`

const swap = (view: string) => refresh({ view, strategy: 'swap', force: true }, callOn(database))

const isRefused = (view: string) =>
  until(`a run of ${view} has met another one`, async () => {
    const [row] =
      await sql`select from viewkeeper.runs where view_name = ${view} and error ->> 'class' = 'AlreadyRunning'`
    return row !== undefined
  })

describe('of two views with a reader in common', () => {
  eachCase(['with data', 'with no data'], { quick: 1 })(
    'one request waits for the other, and then refreshes its own view; the reader is %s',
    async (data) => {
      const name = data === 'with data' ? 'hand' : 'hollow'
      await makeShared(name, data)
      await withGateClosed(sql, `${name}_slow`, async (open) => {
        const first = swap(`${name}_slow`)
        await untilAtGate(sql, `${name}_slow`)
        const second = swap(`${name}_quick`)
        await isRefused(`${name}_quick`)
        await open()
        expect(await Promise.all([first, second])).toMatchObject(
          ['slow', 'quick'].map((view) => ({ status: 'updated', view: `public.${name}_${view}` })),
        )
      })
      expect(await told(name)).toEqual({ slow: 2, quick: 2 })
      const fills = data === 'with data'
      expect((await runsOf(name)).filter(({ view }) => view === `${name}_both`)).toMatchObject([
        { fills },
        { fills },
      ])
      const [both] = await sql`select relispopulated as fills from pg_class where relname = ${`${name}_both`}`
      expect(both?.fills).toBe(fills)
    },
  )

  test('a request that names a key is refused nothing by its own first try', async () => {
    await makeShared('keyed')
    await withGateClosed(sql, 'keyed_slow', async (open) => {
      const first = swap('keyed_slow')
      await untilAtGate(sql, 'keyed_slow')
      const call = { ...callOn(database), idempotencyKey: 'once' }
      const second = refresh({ view: 'keyed_quick', strategy: 'swap' }, call)
      await isRefused('keyed_quick')
      await open()
      await first
      expect(await second).toMatchObject({ status: 'updated', view: 'public.keyed_quick' })
    })
  })

  test('batches build the reader one after the other, in the order in which they began', deep, async () => {
    await makeShared('due')
    const of = (view: string) => begin(database, { views: [`due_${view}`], strategy: 'swap' })
    const [first, second] = [await of('slow'), await of('quick')]
    let third = ''
    await withGateClosed(sql, 'due_slow', async (open) => {
      const ends = [advanceToEnd(database, first)]
      await untilAtGate(sql, 'due_slow')
      ends.push(advanceToEnd(database, second))
      await until('the second batch waits', async () => (await getBatch(database, second)).locked.length > 0)
      const waits = ['quick', 'both'].map((view) => ({
        view: `public.due_${view}`,
        because: `batch ${first} is building it`,
      }))
      expect((await getBatch(database, second)).locked).toMatchObject(waits)
      third = await of('other')
      ends.push(advanceToEnd(database, third))
      await until('the third batch waits', async () => (await getBatch(database, third)).locked.length > 0)
      await open()
      for (const end of await Promise.all(ends)) expect(end).toMatchObject({ status: 'success' })
    })
    expect(await told('due')).toEqual({ slow: 2, quick: 2 })
    const built = (await runsOf('due')).filter(({ view }) => view === 'due_both').map(({ batch }) => batch)
    expect(built).toEqual([first, second, third])
    expect(await runsOf('due', 'failed')).toEqual([])
    expect(await shadowSchemas(sql)).toEqual([])
  })

  eachCase(['request', 'batch'], { quick: 1 })(
    'the other one is refreshed while a %s waits for somebody who reads the first',
    async (way) => {
      const name = `read_${way}`
      await makeShared(name)
      await insertRow(sql, 'definitions', { view: `${name}_slow`, retries: 0 })
      await whileLocked(url, `select from ${name}_slow`, async (reader) => {
        const batch = (view: string, strategy: Strategy) =>
          begin(database, { views: [`${name}_${view}`], strategy })
        const run = async (view: string, strategy: Strategy): Promise<{ status: string }> =>
          way === 'request' ? swap(`${name}_${view}`) : advanceToEnd(database, await batch(view, strategy))
        const first = run('slow', 'swap')
        await until('the exchange waits for the reader', async () => {
          const waiting =
            await sql`select from pg_stat_activity where application_name ~ '^viewkeeper run' and ${reader.pid} = any (pg_blocking_pids(pid))`
          return waiting.length > 0
        })
        expect(await run('quick', 'auto')).toMatchObject({
          status: way === 'request' ? 'updated' : 'success',
        })
        expect(await told(name)).toMatchObject({ quick: 2 })
        await reader.letGo()
        await first
      })
      expect(await swap(`${name}_slow`)).toMatchObject({ status: 'updated' })
      expect(await told(name)).toEqual({ slow: 2, quick: 2 })
    },
  )
})
