import { expect, test } from 'vitest'
import { advance } from '../../../src/operations/batches/advance.ts'
import { cancelBatch } from '../../../src/operations/batches/cancel.ts'
import { getBatch } from '../../../src/operations/batches/read.ts'
import { monitor } from '../../../src/operations/monitoring/monitor.ts'
import { cancel } from '../../../src/operations/runs/cancel.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { counts } from '../../support/counts.ts'
import { readyAdvancer } from '../../support/processes/killed-advancer.ts'
import { administrator, callOn, readersOf, useDatabase } from '../../support/servers/database.ts'
import {
  accountOf,
  advanceToEnd,
  begin,
  countExecutions,
  define,
  makeGraph,
} from '../../support/views/batches.ts'
import { gatedGroup, makeGatedGroup, tellRows, twinSchemas } from '../../support/views/gated-group.ts'
import { untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

const look = () => monitor(database, { schedules: { nightly: null, views: false }, publish: unheard })

test('canceling a batch while a twin is built, and another one waits, leaves the old views and no twins', async () => {
  await makeGatedGroup(sql, 'stopped')
  const batchId = await begin(database, { views: gatedGroup('stopped') })
  await withGateClosed(sql, 'stopped_mid', async () => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'stopped_mid')
    expect(await cancelBatch(batchId, callOn(database))).toMatchObject({ status: 'canceled' })
    expect(await ended).toMatchObject({ status: 'canceled' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual(
    Object.fromEntries(gatedGroup('stopped').map((view) => [view, ['canceled']])),
  )
  expect(await tellRows(sql, 'stopped')).toEqual([1, 1, 1, 1])
  expect(await twinSchemas(sql)).toEqual([])
})

test('canceling a built run gives up its group, and the views that read the canceled one are skipped', async () => {
  await makeGatedGroup(sql, 'one')
  const batchId = await begin(database, { views: gatedGroup('one') })
  await withGateClosed(sql, 'one_mid', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'one_mid')
    const [built] = await sql`select id from viewkeeper.runs where batch_id = ${batchId} and status = 'built'`
    expect(await cancel(built?.id, callOn(database))).toMatchObject({ error: { class: 'Canceled' } })
    await open()
    expect(await ended).toMatchObject({ status: 'failed', error: { views: ['public.one_base'] } })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    one_base: ['canceled'],
    one_mid: ['skipped', 'skipped'],
    one_top: ['skipped'],
  })
  expect(await tellRows(sql, 'one')).toEqual([1, 1, 1, 1])
  expect(await twinSchemas(sql)).toEqual([])
})

test('an exchange that does not get its locks is repeated without building the twins again', async () => {
  await makeGraph(sql, 'locked', { a: [], b: ['a'] })
  await advanceToEnd(database, await begin(database, { pattern: 'locked.*' }))
  for (const view of ['locked.a', 'locked.b'])
    await define(sql, view, { retry_delay_seconds: 0, timeout_seconds: 2 })
  const batchId = await begin(database, { pattern: 'locked.*', retries: 1 })
  const reader = administrator(url)
  const held = await reader.reserve()
  await held`begin`
  await held`select from locked.b`
  const ended = advanceToEnd(database, batchId)
  await until('the first exchange has failed', async () => {
    return (
      (await sql`select from viewkeeper.runs where batch_id = ${batchId} and status = 'failed'`).length === 2
    )
  })
  await held`commit`
  held.release()
  await reader.end()
  expect(await ended).toMatchObject({ status: 'success' })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    a: ['failed', 'success'],
    b: ['failed', 'success'],
  })
  expect(
    await sql`select distinct error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId} and status = 'failed'`,
  ).toEqual([{ class: 'LockTimeout' }])
  for (const view of ['locked.a', 'locked.b']) expect(await countExecutions(sql, view)).toBe(2)
  expect(await twinSchemas(sql)).toEqual([])
})

test('an exchange that fails for another reason gives up its group, and all views are refreshed in place', async () => {
  await makeGatedGroup(sql, 'spoiled')
  const batchId = await begin(database, { views: gatedGroup('spoiled') })
  await withGateClosed(sql, 'spoiled_mid', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'spoiled_mid')
    // Only a comparison of the twin with the view finds this.
    await sql.unsafe(`
      do $$ declare twin text := (select nspname from pg_namespace where nspname like 'viewkeeper\\_b%\\_0');
      begin execute format('comment on materialized view %I.spoiled_top is %L', twin, 'not on the view'); end $$`)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual(
    Object.fromEntries(gatedGroup('spoiled').map((view) => [view, ['failed', 'success']])),
  )
  expect(await tellRows(sql, 'spoiled')).toEqual([2, 2, 2, 2])
  expect(await twinSchemas(sql)).toEqual([])
})

test('a run whose server process is terminated while it fills a twin gets another attempt at the same twin', async () => {
  await makeGatedGroup(sql, 'ended')
  const batchId = await begin(database, { views: gatedGroup('ended'), retries: 1 })
  await withGateClosed(sql, 'ended_mid', async (open) => {
    const ended = advanceToEnd(database, batchId)
    const pid = await untilAtGate(sql, 'ended_mid')
    await sql`select pg_terminate_backend(${pid})`
    await until(
      'the second attempt stands before the gate',
      async () => (await untilAtGate(sql, 'ended_mid')) !== pid,
    )
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    ended_base: ['success'],
    ended_mid: ['failed', 'success'],
    ended_top: ['success'],
  })
  expect(await tellRows(sql, 'ended')).toEqual([2, 2, 2, 2])
})

test('the twins of a batch that nobody advances any more are dropped by the monitor', async () => {
  await makeGatedGroup(sql, 'orphan')
  const batchId = await begin(database, { views: gatedGroup('orphan') })
  await withGateClosed(sql, 'orphan_mid', async () => {
    const left = advance(batchId, { database, until: Date.now() + 4000 })
    await sql`select pg_terminate_backend(${await untilAtGate(sql, 'orphan_mid')})`
    await left
    await cancelRunning(batchId)
  })
  await look()
  expect(await twinSchemas(sql)).not.toEqual([])
  await sql`update viewkeeper.batches set advanced_at = clock_timestamp() - interval '1 hour' where id = ${batchId}`
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ status: 'failed', error: { class: 'BatchLost' } })
  expect(
    await sql`select from viewkeeper.runs where batch_id = ${batchId} and finished_at is null`,
  ).toHaveLength(0)
  expect(await twinSchemas(sql)).toEqual([])
  expect(await tellRows(sql, 'orphan')).toEqual([1, 1, 1, 1])
})

/** Ends what the server still does for a batch. */
const cancelRunning = (batchId: string) => sql`
  select pg_terminate_backend(backend_pid) from viewkeeper.runs where batch_id = ${batchId} and status = 'running'`

test('readers of several views see no error and no mixture during batches whose advancer is killed (-9) again and again', {
  timeout: 240_000,
}, async () => {
  await sql.unsafe(`
    create schema seen;
    create table seen.t (version int); insert into seen.t values (0);
    create function seen.slow(int) returns int language plpgsql stable as $$ begin perform pg_sleep(0.05); return $1; end $$;
    create materialized view seen.a as select seen.slow(version) as version from seen.t;
    create unique index on seen.a (version);
    create view seen.p as select version from seen.a;
    create materialized view seen.b as select seen.slow(version) as version from seen.p;
    create materialized view seen.c as select seen.slow(version) as version from seen.a;
    create materialized view seen.d as select b.version from seen.b, seen.c;
    create view seen.outside as select d.version as d, p.version as p from seen.d, seen.p`)
  const readers = readersOf(url)
  const failures: unknown[] = []
  let reads = 0
  let over = false
  const queries = [
    `select (select version from seen.a) as x, (select version from seen.b) as y, (select version from seen.d) as z`,
    `select (select version from seen.d) as x, (select version from seen.c) as y, (select version from seen.p) as z`,
    `select d as x, p as y, (select version from seen.c) as z from seen.outside`,
  ]
  const reading = queries.map(async (query) => {
    while (!over) {
      try {
        const [row] = await readers.unsafe(query)
        if (row?.x !== row?.y || row?.y !== row?.z) failures.push(row)
        reads++
      } catch (error) {
        failures.push(error)
      }
    }
  })
  let killed = 0
  try {
    for (let version = 1; version <= counts.batchesUnderReaders; version++) {
      await sql`update seen.t set version = ${version}`
      // In every other batch the view on top comes along.
      const which = version % 2 === 0 ? { views: ['seen.a', 'seen.b', 'seen.c'] } : { pattern: 'seen.*' }
      const batchId = await begin(database, { ...which, concurrency: 3, retries: 2 })
      for (let kills = 0; kills < 2; kills++)
        if (await (await readyAdvancer(url, batchId)).advanceAndKill(Math.random() * 1200)) killed++
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
      expect((await accountOf(sql, batchId)).statuses).toEqual({
        a: ['success'],
        b: ['success'],
        c: ['success'],
        d: ['success'],
      })
      expect(await sql`select d, p from seen.outside`).toEqual([{ d: version, p: version }])
      expect(await twinSchemas(sql)).toEqual([])
    }
  } finally {
    over = true
    await Promise.all(reading)
    await readers.end()
  }
  expect(failures).toEqual([])
  expect(reads).toBeGreaterThan(counts.batchesUnderReaders)
  expect(killed).toBeGreaterThan(counts.batchesUnderReaders / 4)
})
