import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { insertRetry } from '../../../src/record/batches/attempts.ts'
import type { BatchView } from '../../../src/record/batches/batch-views.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { readyAdvancer } from '../../support/processes/killed-advancer.ts'
import { writePast } from '../../support/record/past.ts'
import { define, deleteRows, updateRows } from '../../support/record/rows.ts'
import { administrator, callOn, readersOf, useDatabase } from '../../support/servers/database.ts'
import {
  accountOf,
  advanceToEnd,
  advanceToGate,
  begin,
  countExecutions,
  makeGraph,
  retryAtOnce,
} from '../../support/views/batches.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas, tellRows } from '../../support/views/gated-group.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

beforeAll(() => retryAtOnce(sql))

const look = () => monitor(database, { schedules: { nightly: null, views: false }, publish: unheard })

/** No test leaves a shadow. */
afterEach(async () => {
  expect(await shadowSchemas(sql)).toEqual([])
})

test('canceling a batch while a shadow is built, and another one waits, leaves the old views and no shadows', async () => {
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
})

/** What the record says of the ages of a gated group. */
const agesOf = (name: string) => sql`
  select name, as_of::text as "asOf", last_success_id as "lastSuccessId" from viewkeeper.view_status where name like ${`${name}_%`} order by 1`
const unneeded = (batchId: string) =>
  sql`select from viewkeeper.runs r where batch_id = ${batchId} and viewkeeper.is_unneeded(status, as_of, error, built_at)`

test('canceling a built run gives up its group, and the views that read the canceled one are skipped', async () => {
  await makeGatedGroup(sql, 'one')
  await advanceToEnd(database, await begin(database, { views: gatedGroup('one') }))
  const ages = await agesOf('one')
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
  expect(await tellRows(sql, 'one')).toEqual([2, 2, 2, 2])
  expect(await shadowSchemas(sql)).toEqual([])
  // A shadow that was dropped makes no view younger, and its run was not left out.
  expect(await agesOf('one')).toEqual(ages)
  expect(ages.every(({ asOf }) => asOf !== null)).toBe(true)
  expect(await unneeded(batchId)).toHaveLength(0)
  expect(
    await sql`select from viewkeeper.runs where batch_id = ${batchId} and status = 'skipped' and num_nonnulls(as_of, filled, inputs) > 0`,
  ).toHaveLength(0)
})

test(
  'attempts in place after a spoiled exchange know nothing of the shadows, and make no view younger if they fail',
  deep,
  async () => {
    await sql`create table forgets_t as select 1 as v`
    await makeGatedView(sql, 'forgets_base', 'select 1 as id, count(*) as n from forgets_t')
    await makeGatedView(sql, 'forgets_mid', 'select id, n from forgets_base')
    const views = ['forgets_base', 'forgets_mid']
    await advanceToEnd(database, await begin(database, { views }))
    const ages = await agesOf('forgets')
    const batchId = await begin(database, { views, retries: 0 })
    await withGateClosed(sql, 'forgets_mid', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'forgets_mid')
      await sql.unsafe(`
      do $$ declare shadow text := (select nspname from pg_namespace where nspname like 'viewkeeper\\_b%\\_0');
      begin execute format('comment on materialized view %I.forgets_base is %L', shadow, 'not on the view'); end $$`)
      await withGateClosed(sql, 'forgets_base', async () => {
        await open()
        const inPlace = await untilAtGate(sql, 'forgets_base')
        // As if an advancer had written this attempt after another one had given the group up.
        const [again] = await deleteRows(sql, 'runs', { batchId, attempt: 2, view: 'forgets_mid' })
        await insertRetry(sql, batchId, { id: again?.definition_id } as BatchView, {
          attempt: 2,
          delaySeconds: 0,
        })
        expect(
          await sql`select status, as_of, held_back_by, filled from viewkeeper.runs where batch_id = ${batchId} and attempt = 2 order by view_name`,
        ).toEqual(
          ['running', 'pending'].map((status) => ({ status, as_of: null, held_back_by: null, filled: null })),
        )
        await sql`select pg_terminate_backend(${inPlace})`
        expect(await ended).toMatchObject({ status: 'failed' })
      })
    })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      forgets_base: ['failed', 'failed'],
      forgets_mid: ['failed', 'skipped'],
    })
    expect(await agesOf('forgets')).toEqual(ages)
    expect(await unneeded(batchId)).toHaveLength(0)
  },
)

test(
  'a member that somebody refreshes while shadows wait is as old as its second attempt, which comes last',
  deep,
  async () => {
    await makeGatedGroup(sql, 'last')
    await advanceToEnd(database, await begin(database, { views: gatedGroup('last') }))
    // One that asks for a strategy takes nothing that somebody else has refreshed.
    const batchId = await begin(database, { views: gatedGroup('last'), strategy: 'swap' })
    await withGateClosed(sql, 'last_mid', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'last_mid')
      expect(await refresh({ view: 'last_base', strategy: 'concurrent' }, callOn(database))).toMatchObject({
        status: 'updated',
      })
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    const [built] = await sql`
    select r.id, r.as_of = s.as_of as same, r.finished_at = s.last_success_at as last, s.last_success_id as shown, r.attempt,
           (viewkeeper.seen('last_mid'::regclass, 'public', 'last_mid') ->> 'asOf')::timestamptz = r.as_of as seen
      from viewkeeper.runs r join viewkeeper.view_status s on s.name = r.view_name
     where r.batch_id = ${batchId} and r.view_name = 'last_base' and r.status = 'success'`
    expect(built).toEqual({
      id: built?.shown,
      same: true,
      last: true,
      shown: built?.id,
      attempt: 2,
      seen: true,
    })
    // The same if the runs are no longer among the newest of all views.
    const later = { view: 'last_base', status: 'skipped', ago: '0 s', durationMs: 0 }
    await writePast(sql, Array(2000).fill(later))
    expect(
      await sql`select last_success_id as id, as_of is not null as known from viewkeeper.view_status where name = 'last_base'`,
    ).toEqual([{ id: built?.id, known: true }])
  },
)

test(
  'an exchange that does not get its locks is repeated without building the shadows again, and still proves what they read',
  deep,
  async () => {
    await makeGraph(sql, 'locked', { a: [], b: ['a'] })
    await sql`create materialized view locked.c as select id from locked.a with no data`
    await advanceToEnd(database, await begin(database, { pattern: 'locked.*' }))
    for (const view of ['locked.a', 'locked.b', 'locked.c'])
      await define(sql, view, { retry_delay_seconds: 3600, timeout_seconds: 5 })
    const batchId = await begin(database, { pattern: 'locked.*', retries: 1 })
    const reader = administrator(url)
    const held = await reader.reserve()
    await held`begin`
    await held`select from locked.b`
    const ended = advanceToEnd(database, batchId)
    await until('the first exchange has failed, and the second attempts wait', async () => {
      const again = await sql`
      select from viewkeeper.runs where batch_id = ${batchId} and attempt = 2 and status = 'built'`
      return again.length === 3
    })
    await held`commit`
    held.release()
    await reader.end()
    await updateRows(sql, 'runs', { batchId, attempt: 2 }, { notBefore: null })
    expect(await ended).toMatchObject({ status: 'success' })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      a: ['failed', 'success'],
      b: ['failed', 'success'],
      c: ['failed', 'success'],
    })
    expect(
      await sql`select distinct error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId} and status = 'failed'`,
    ).toEqual([{ class: 'LockTimeout' }])
    for (const view of ['locked.a', 'locked.b']) expect(await countExecutions(sql, view)).toBe(2)
    expect(await shadowSchemas(sql)).toEqual([])
    const bySchedule = callOn(database, { trigger: 'schedule', requestedBy: 'schedule' })
    expect(await refresh({ view: 'locked.c' }, bySchedule)).toMatchObject({
      status: 'skipped',
      response: { because: expect.stringContaining('nothing that the view reads has been refreshed since') },
    })
  },
)

test('an exchange that fails for another reason gives up its group, and all views are refreshed in place', async () => {
  await makeGatedGroup(sql, 'spoiled')
  const batchId = await begin(database, { views: gatedGroup('spoiled') })
  await withGateClosed(sql, 'spoiled_mid', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'spoiled_mid')
    // Only a comparison of the shadow with the view finds this.
    await sql.unsafe(`
      do $$ declare shadow text := (select nspname from pg_namespace where nspname like 'viewkeeper\\_b%\\_0');
      begin execute format('comment on materialized view %I.spoiled_top is %L', shadow, 'not on the view'); end $$`)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual(
    Object.fromEntries(gatedGroup('spoiled').map((view) => [view, ['failed', 'success']])),
  )
  expect(await tellRows(sql, 'spoiled')).toEqual([2, 2, 2, 2])
})

test('a run whose server process is terminated while it fills a shadow gets another attempt at the same shadow', async () => {
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

test('the shadows of a batch that nobody advances any more are dropped by the monitor', async () => {
  await makeGatedGroup(sql, 'orphan')
  const batchId = await begin(database, { views: gatedGroup('orphan') })
  await withGateClosed(sql, 'orphan_mid', async () => {
    const pid = await advanceToGate(database, sql, batchId, 'orphan_mid')
    await endProcess(sql, pid)
  })
  await look()
  expect(await shadowSchemas(sql)).not.toEqual([])
  await updateRows(sql, 'batches', { id: batchId }, { advancedAt: sql`now() - interval '1 hour'` })
  await look()
  expect(await getBatch(database, batchId)).toMatchObject({ status: 'failed', error: { class: 'BatchLost' } })
  expect(
    await sql`select from viewkeeper.runs where batch_id = ${batchId} and finished_at is null`,
  ).toHaveLength(0)
  expect(await shadowSchemas(sql)).toEqual([])
  expect(await tellRows(sql, 'orphan')).toEqual([1, 1, 1, 1])
})

test(
  'readers of several views see no error and no mixture during batches whose advancer is killed (-9) again and again',
  deep,
  async () => {
    await sql.unsafe(`
    create schema seen;
    create table seen.t (version int); insert into seen.t values (0);
    create function seen.slow(int) returns int language plpgsql stable as $$
    begin perform pg_advisory_xact_lock_shared(hashtext('seen')); perform pg_sleep(0.05); return $1; end $$;
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
        // Readers in opposite orders that never pause would keep each exchange waiting for long.
        await pause(Math.random() * 10)
      }
    })
    /** Kills an advancer while the server builds a view of the batch: so some kills come in time on any machine. */
    const killWhileBuilding = (batchId: string) =>
      withGateClosed(sql, 'seen', async () =>
        (await readyAdvancer(url, batchId)).advanceAndKill(() => untilAtGate(sql, 'seen')),
      )
    let killed = 0
    try {
      for (let version = 1; version <= counts.batchesUnderReaders; version++) {
        await sql`update seen.t set version = ${version}`
        // In every other batch the view on top comes along.
        const which = version % 2 === 0 ? { views: ['seen.a', 'seen.b', 'seen.c'] } : { pattern: 'seen.*' }
        const batchId = await begin(database, { ...which, concurrency: 3, retries: 2 })
        if (await killWhileBuilding(batchId)) killed++
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
        expect(await shadowSchemas(sql)).toEqual([])
      }
    } finally {
      over = true
      await Promise.all(reading)
      await readers.end()
    }
    expect(failures).toEqual([])
    expect(reads).toBeGreaterThan(counts.batchesUnderReaders)
    expect(killed).toBeGreaterThanOrEqual(counts.batchesUnderReaders)
  },
)
