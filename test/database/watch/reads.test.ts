import { afterEach, beforeAll, expect, test } from 'vitest'
import { unscheduled } from '../../../src/batch/schedules.ts'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { noUsableIndex } from '../../../src/catalog/plan/view-facts.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { noteLook, noteReads } from '../../../src/watch/db/looks.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

/** Whether the server keeps when a relation was scanned: since 16. */
let tells: boolean

beforeAll(async () => {
  const [server] = await sql`select current_setting('server_version_num')::int >= 160000 as tells`
  tells = server?.tells
})
/** The next view of that name is another one. */
async function forget(): Promise<void> {
  await sql`drop materialized view read_view`
  await sql`update viewkeeper.definitions set removed_at = clock_timestamp() where name = 'read_view'`
}
afterEach(forget)

async function make(): Promise<void> {
  await sql.unsafe(
    'create materialized view read_view as select 1 as n; create unique index on read_view (n)',
  )
}

async function refreshed(strategy: Strategy, times = 1): Promise<void> {
  for (let at = 0; at < times; at++)
    await refresh({ view: 'read_view', strategy, force: true }, callOn(database))
}

/** What the monitor has noted. */
const noted = async () => {
  await noteReads(sql)
  const [row] = await sql`
    select last_read_at as "readAt", reads_noted_since as since from viewkeeper.definitions where name = 'read_view'`
  return row as { readAt: Date | null; since: Date | null }
}

/** The last scan that the server tells, as text: of the view or of an index. */
const lastScan = async (): Promise<string | null> => {
  const [row] = await sql.unsafe(`
    select greatest(pg_stat_get_lastscan(c.oid), (select max(pg_stat_get_lastscan(i.indexrelid)) from pg_index i where i.indrelid = c.oid))::text as at
      from pg_class c where c.oid = 'read_view'::regclass`)
  return row?.at ?? null
}

/** Reads the view, and waits until the server tells so. */
async function read(): Promise<void> {
  if (!tells) return
  const before = await lastScan()
  await until('the server tells of the scan', async () => {
    await sql.begin(async (session) => {
      // The index alone is scanned.
      await session`set local enable_seqscan = off`
      await session`select n from read_view where n = 1`
      await session`select pg_stat_force_next_flush()`
    })
    return (await lastScan()) !== before
  })
}

/** As if the runs, and their batch, had ended an hour ago. */
const anHourPasses = () => sql`
  update viewkeeper.runs set finished_at = finished_at - interval '1 hour' where view_name = 'read_view'`

test.each<Strategy>(['regular', 'concurrent', 'swap'])(
  'what a %s refresh scans is no reader, and what comes later is one',
  async (strategy) => {
    await make()
    await refreshed(strategy)
    if (tells) await until('the server tells of a scan', async () => (await lastScan()) !== null)
    expect((await noted()).readAt).toBeNull()
    await anHourPasses()
    await read()
    const { readAt, since } = await noted()
    if (!tells) return expect([readAt, since]).toEqual([null, null])
    expect(Math.abs(readAt!.getTime() - Date.now())).toBeLessThan(60_000)
    expect(Math.abs(since!.getTime() - Date.now())).toBeLessThan(60_000)
    // Another view of that name starts anew.
    await forget()
    await make()
    await refreshed(strategy)
    expect((await noted()).readAt).toBeNull()
  },
)

test('while a run or its batch goes on, a scan may be its own', async () => {
  await make()
  await refreshed('regular')
  await anHourPasses()
  await read()
  const [run] =
    await sql`select id from viewkeeper.runs where view_name = 'read_view' order by id desc limit 1`
  await sql`update viewkeeper.runs set status = 'pending', finished_at = null where id = ${run!.id}`
  expect((await noted()).readAt).toBeNull()
  await sql`update viewkeeper.runs set status = 'success', finished_at = clock_timestamp() - interval '1 hour' where id = ${run!.id}`
  const batch = await sql`
    insert into viewkeeper.batches (trigger, selection) values ('cli', '{"views": ["public.read_view"]}') returning id`
  await sql`update viewkeeper.runs set batch_id = ${batch[0]!.id}, attempt = 1 where id = ${run!.id}`
  expect((await noted()).readAt).toBeNull()
  await sql`
    update viewkeeper.batches set status = 'success', started_at = clock_timestamp(), finished_at = clock_timestamp() where id = ${batch[0]!.id}`
  expect((await noted()).readAt).toBeNull()
  await sql`update viewkeeper.batches set finished_at = finished_at - interval '1 hour' where id = ${batch[0]!.id}`
  expect((await noted()).readAt !== null).toBe(tells)
})

test('a view that nobody has read for 90 days is told, with what to type', async () => {
  await make()
  await refreshed('regular', 20)
  await sql`delete from viewkeeper.runs where id not in (select id from viewkeeper.runs order by id desc limit 20)`
  const told = async () =>
    (await getWhy(database, 'read_view', { schedules: unscheduled, environment: null })).causes.filter(
      ({ code }) => code === 'Unread',
    )
  await noteReads(sql)
  await noteLook(sql, 600)
  expect(await told()).toEqual([])
  await sql`update viewkeeper.definitions set reads_noted_since = clock_timestamp() - interval '200 days' where name = 'read_view'`
  expect(await told()).toMatchObject([
    {
      text: expect.stringContaining('The monitor has seen nobody read public.read_view for 200 days'),
      next: 'viewkeeper drop public.read_view',
    },
  ])
  // What another view reads is needed, and while nobody looks nobody is seen.
  await sql`create materialized view read_above as select n from read_view`
  expect(await told()).toEqual([])
  await sql`drop materialized view read_above`
  expect(await told()).toHaveLength(1)
  await sql`update viewkeeper.switches set value = jsonb_set(value, '{at}', to_jsonb(clock_timestamp() - interval '2 hours')) where key = 'looked'`
  expect(await told()).toEqual([])
  await noteLook(sql, 600)
  expect(await told()).toEqual([]) // the monitor was away until now
  await sql`update viewkeeper.switches set value = value - 'resumed' where key = 'looked'`
  expect(await told()).toHaveLength(1)
  await sql`update viewkeeper.definitions set last_read_at = clock_timestamp() - interval '89 days' where name = 'read_view'`
  expect(await told()).toEqual([])
})

test('a view that is refreshed regularly for lack of a key, and so locks readers out for long, is told with what to change', async () => {
  await make()
  await refreshed('auto', 20)
  const { id } = (await sql`select id from viewkeeper.definitions where name = 'read_view'`)[0]!
  await sql`
    update viewkeeper.runs set duration_ms = 2000,
           meta = jsonb_build_object('response', jsonb_build_object('strategy', 'regular', 'because', ${noUsableIndex}::text))
     where definition_id = ${id}`
  await sql`drop index read_view_n_idx`
  const told = async () =>
    (await getWhy(database, 'read_view', { schedules: unscheduled, environment: null })).causes.filter(
      ({ code }) => code === 'LocksReaders',
    )
  expect(await told()).toMatchObject([
    {
      text: expect.stringMatching(
        /locked readers out for 2\.0 s each, for lack of a key\. Change: create unique index/,
      ),
    },
  ])
  await sql`update viewkeeper.runs set duration_ms = 20 where definition_id = ${id}`
  expect(await told()).toEqual([])
})
