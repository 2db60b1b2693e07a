import { afterEach, describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter } from '../../support/views/alter.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas, tellRows } from '../../support/views/gated-group.ts'
import { untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

/** No test leaves a shadow. */
afterEach(async () => {
  expect(await shadowSchemas(sql)).toEqual([])
})

const succeeded = (name: string) => Object.fromEntries(gatedGroup(name).map((view) => [view, ['success']]))

/** Does `work` while the middle of a batch's group is being built, then ends the batch. */
async function duringBuild(name: string, work: (batchId: string) => Promise<unknown>) {
  const batchId = await begin(database, { views: gatedGroup(name) })
  await withGateClosed(sql, `${name}_mid`, async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, `${name}_mid`)
    await work(batchId)
    await open()
    await ended
  })
  return { batchId, batch: await getBatch(database, batchId), ...(await accountOf(sql, batchId)) }
}

describe('a batch of views that read each other', () => {
  test('builds a diamond with a plain view between aside, and exchanges it at one moment', async () => {
    await sql.unsafe(`
      create schema diamond;
      create table diamond.t (v int); insert into diamond.t values (1);
      create materialized view diamond.base as select sum(v) as total from diamond.t;
      create view diamond.plain as select total * 2 as twice from diamond.base;
      create materialized view diamond.l as select total from diamond.base;
      create materialized view diamond.r as select twice from diamond.plain;
      create materialized view diamond.top as select total, twice from diamond.l, diamond.r;
      create unique index top_key on diamond.top (total);
      create view diamond.outside as select twice from diamond.top, diamond.base;
      insert into diamond.t values (2)`)
    const batchId = await begin(database, { pattern: 'diamond.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success', error: null })
    expect(await accountOf(sql, batchId)).toMatchObject({
      statuses: { base: ['success'], l: ['success'], r: ['success'], top: ['success'] },
      disorder: [],
    })
    expect(
      await sql`select distinct finished_at from viewkeeper.runs where batch_id = ${batchId}`,
    ).toHaveLength(1)
    expect(await sql`select total::int, twice::int from diamond.top`).toEqual([{ total: 3, twice: 6 }])
    expect(await sql`select twice::int from diamond.outside`).toEqual([{ twice: 6 }])
    expect(await shadowSchemas(sql)).toEqual([])
    const batch = await getBatch(database, batchId)
    const views = ['diamond.base', 'diamond.l', 'diamond.r', 'diamond.top']
    expect(batch).toMatchObject({
      exchange: 'together',
      refreshedEach: [],
      groups: [{ views, givenUp: null }],
    })
    expect(batch.shadowBytes).toBeGreaterThan(0)
  })

  test(
    'keeps an alter of the table waiting, which names it, until it has exchanged its shadows',
    deep,
    async () => {
      await makeGatedGroup(sql, 'altered')
      await duringBuild('altered', async (batchId) => {
        const refusal = await refusalOf(
          callAlter(database, 'alter table altered_t alter column v type bigint', {
            reading: ['altered_t'],
            huntMs: 0,
          }),
        )
        expect(refusal).toMatchObject({
          code: 'LockTimeout',
          message: expect.stringContaining(
            `batch ${batchId} has built public.altered_base anew, and waits to exchange it`,
          ),
        })
      })
      await callAlter(database, 'alter table altered_t alter column v type bigint', {
        reading: ['altered_t'],
        huntMs: 60_000,
      })
    },
  )

  test('shows nobody anything before the exchange', async () => {
    await makeGatedGroup(sql, 'hidden')
    const { statuses } = await duringBuild('hidden', async (batchId) => {
      expect(await tellRows(sql, 'hidden')).toEqual([1, 1, 1, 1])
      const { views } = await getBatch(database, batchId)
      expect(views.map(({ status }) => status)).toEqual(['built', 'running', 'waiting'])
      expect(await shadowSchemas(sql)).not.toEqual([])
      const listed = await listViews(database, { nightly: null, views: false })
      expect(listed.views.filter(({ view }) => view.startsWith('viewkeeper'))).toEqual([])
      await sql`create role nosy`
      expect(
        await sql`select from pg_namespace where nspname like 'viewkeeper\\_b%' and has_schema_privilege('nosy', oid, 'usage')`,
      ).toEqual([])
    })
    expect(statuses).toEqual(succeeded('hidden'))
    expect(await tellRows(sql, 'hidden')).toEqual([2, 2, 2, 2])
  })

  test('shows readers each view when it is ready if the request says so', async () => {
    await makeGatedGroup(sql, 'single')
    const batchId = await begin(database, { views: gatedGroup('single'), exchange: 'each' })
    await withGateClosed(sql, 'single_mid', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'single_mid')
      expect(await sql`select n from single_base`).toEqual([{ n: 2 }])
      expect(await shadowSchemas(sql)).toEqual([])
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect(await getBatch(database, batchId)).toMatchObject({ exchange: 'each', groups: [], shadowBytes: 0 })
  })

  test('keeps grants that were changed during the build', deep, async () => {
    await makeGatedGroup(sql, 'granted')
    await sql.unsafe(`
      create role granted_reader; create role granted_other; create role granted_lost;
      grant select on granted_base to granted_lost`)
    const { statuses } = await duringBuild('granted', () =>
      sql.unsafe(`
        grant select on granted_base to granted_reader with grant option;
        set role granted_reader; grant select on granted_base to granted_other; reset role;
        revoke select on granted_base from granted_lost;
        grant select (n) on granted_plain to granted_other`),
    )
    // What a grant may hide is refreshed once more.
    expect(Object.values(statuses)).toEqual(Array(3).fill(['skipped', 'success']))
    const [now] = await sql`
      select has_table_privilege('granted_other', 'granted_base', 'select') as other,
             has_table_privilege('granted_lost', 'granted_base', 'select') as lost,
             has_column_privilege('granted_other', 'granted_plain', 'n', 'select') as col`
    expect(now).toEqual({ other: true, lost: false, col: true })
  })

  eachCase(
    [
      [
        'query of a plain view between',
        'create or replace view %_plain as select id, n + 10 as n from %_base',
        [2, 12, 12, 12],
      ],
      ['index', 'create index on %_top (n)', [2, 2, 2, 2]],
      ['comment', "comment on materialized view %_top is 'the top'", [2, 2, 2, 2]],
      [
        'target of statistics',
        'alter materialized view %_base alter column n set statistics 55',
        [2, 2, 2, 2],
      ],
      ['option of a plain view', 'alter view %_plain set (security_barrier)', [2, 2, 2, 2]],
      ['default', 'alter view %_plain alter column n set default 5', [2, 2, 2, 2]],
      ['fill factor', 'alter materialized view %_base set (fillfactor = 70)', [2, 2, 2, 2]],
      ['text about an index', "comment on index %_base_key is 'key'", [2, 2, 2, 2]],
      ['new reader', 'create materialized view %_new as select n from %_base', [2, 2, 2, 2]],
    ],
    { quick: 1 },
  )('refreshes the views in place if a %s was changed during the build', async (what, change, rows) => {
    const name = `changed_${what.split(' ')[0]}`
    await makeGatedGroup(sql, name)
    const { statuses, batch } = await duringBuild(name, () => sql.unsafe(change.replaceAll('%', name)))
    expect(batch).toMatchObject({ status: 'success', groups: [{ givenUp: { class: 'CatalogChanged' } }] })
    expect(statuses).toEqual(
      Object.fromEntries(gatedGroup(name).map((view) => [view, ['skipped', 'success']])),
    )
    expect(await tellRows(sql, name)).toEqual(rows)
  })

  test('gives way to a direct refresh of a member, whose data are newer', deep, async () => {
    await makeGatedGroup(sql, 'direct')
    const { statuses } = await duringBuild('direct', async () => {
      const result = await refresh({ view: 'direct_base', strategy: 'concurrent' }, callOn(database))
      expect(result).toMatchObject({ status: 'updated' })
    })
    // The batch takes what the direct refresh has made.
    expect(statuses).toEqual({
      direct_base: ['skipped', 'skipped'],
      direct_mid: ['skipped', 'success'],
      direct_top: ['skipped', 'success'],
    })
    expect(await tellRows(sql, 'direct')).toEqual([2, 2, 2, 2])
  })

  test(
    'refreshes the views in place if a direct swap has exchanged them during the build',
    deep,
    async () => {
      await makeGatedGroup(sql, 'swapped')
      await sql`create materialized view swapped_leaf as select n from swapped_base`
      const batchId = await begin(database, { views: [...gatedGroup('swapped'), 'swapped_leaf'] })
      await withGateClosed(sql, 'swapped_mid', async (open) => {
        const ended = advanceToEnd(database, batchId)
        await untilAtGate(sql, 'swapped_mid')
        // The batch builds two views at once: a direct refresh is skipped while the leaf's run goes on.
        await until('the leaf is built', async () => {
          const runs = await sql`
          select from viewkeeper.runs
           where batch_id = ${batchId} and view_name = 'swapped_leaf' and built_at is not null`
          return runs.length > 0
        })
        const result = await refresh({ view: 'swapped_leaf', strategy: 'swap' }, callOn(database))
        expect(result).toMatchObject({ status: 'updated' })
        await open()
        expect(await ended).toMatchObject({ status: 'success' })
      })
      expect(await getBatch(database, batchId)).toMatchObject({
        groups: [{ givenUp: { message: 'public.swapped_leaf was exchanged or dropped during the batch.' } }],
      })
      expect(await tellRows(sql, 'swapped')).toEqual([2, 2, 2, 2])
    },
  )
})

describe('a view that is not built', () => {
  test('because it fails holds its group back: the views that do not read it are refreshed in place', async () => {
    await sql.unsafe(`
      create schema broken;
      create table broken.t (v int); insert into broken.t values (1);
      create materialized view broken.base as select v from broken.t;
      create materialized view broken.good as select v from broken.base;
      create materialized view broken.bad as select 1 / (2 - v) as v from broken.base;
      create materialized view broken.above as select v from broken.bad;
      update broken.t set v = 2`)
    const batchId = await begin(database, { pattern: 'broken.*', retries: 0 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({
      status: 'failed',
      error: { views: ['broken.bad'] },
    })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      base: ['skipped', 'success'],
      good: ['skipped', 'success'],
      bad: ['failed'],
      above: ['skipped'],
    })
    expect(await getBatch(database, batchId)).toMatchObject({
      groups: [
        {
          givenUp: {
            class: 'NotExchanged',
            message: 'The group was not exchanged, because broken.bad, broken.above were not built.',
          },
        },
      ],
    })
    expect(
      await sql`select b.v as base, g.v as good, a.v as above from broken.base b, broken.good g, broken.above a`,
    ).toEqual([{ base: 2, good: 2, above: 1 }])
  })

  test('at first but by a retry is exchanged with the others', async () => {
    await sql.unsafe(`
      create schema again;
      create sequence again.tries;
      create table again.t (v int); insert into again.t values (1);
      create materialized view again.base as select v from again.t;
      create function again.insist() returns integer language plpgsql as $$
      begin if exists (select from again.t where v = 3) then raise exception 'not yet'; end if; return 1; end $$;
      create materialized view again.flaky as select v * again.insist() as v from again.base;
      update again.t set v = 3`)
    await define(sql, 'again.flaky', { retry_delay_seconds: 0 })
    await sql`create function again.repair() returns trigger language plpgsql as $$
      begin if new.status = 'failed' and new.view_name = 'flaky' then update again.t set v = 4; end if; return new; end $$`
    await sql`create trigger repair after update on viewkeeper.runs for each row execute function again.repair()`
    const batchId = await begin(database, { pattern: 'again.*', retries: 1 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    await sql`drop trigger repair on viewkeeper.runs`
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      base: ['success'],
      flaky: ['failed', 'success'],
    })
  })

  test('because it is paused, unpopulated or has a strategy of its own keeps what it reads from being built, if that has a unique index', async () => {
    await sql.unsafe(`
      create schema apart;
      create table apart.t (v int); insert into apart.t values (1);
      ${['paused', 'empty', 'regular']
        .map(
          (name) => `
        create materialized view apart.${name}_below as select v from apart.t;
        create unique index on apart.${name}_below (v);
        create materialized view apart.${name} as select v from apart.${name}_below ${name === 'empty' ? 'with no data' : ''};`,
        )
        .join('')}
      create materialized view apart.beside as select v from apart.paused_below`)
    await define(sql, 'apart.paused', { paused_at: new Date() })
    await define(sql, 'apart.regular', { refresh_strategy: 'regular' })
    const batchId = await begin(database, { pattern: 'apart.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    const { groups, refreshedEach } = await getBatch(database, batchId)
    expect(groups).toEqual([])
    expect(Object.fromEntries(refreshedEach.map(({ view, because }) => [view, because]))).toEqual({
      'apart.empty': 'apart.empty is unpopulated',
      'apart.empty_below': 'apart.empty is unpopulated',
      'apart.paused': 'apart.paused is paused',
      'apart.paused_below': 'apart.paused is paused',
      'apart.regular': 'apart.regular is to be refreshed by strategy "regular"',
      'apart.regular_below': 'apart.regular is to be refreshed by strategy "regular"',
    })
  })
})

test('an environment says how batches exchange, and a request says otherwise', deep, async () => {
  await sql`create materialized view nothing_1 as select 1 as x`
  const chosen: string[] = []
  for (const request of [{}, { exchange: 'each' }, { exchange: 'together' }] as const)
    for (const exchange of ['together', 'each'] as const) {
      const asked = { ...request, pattern: '*.nothing_1' }
      const { batchId } = await startBatch(asked, callOn(database), { exchange })
      chosen.push((await getBatch(database, batchId)).exchange)
      await advanceToEnd(database, batchId)
    }
  expect(chosen).toEqual(['together', 'each', 'each', 'each', 'together', 'together'])
})

test('the exchange waits for a reader, and a batch beside it goes on', async () => {
  await makeGatedGroup(sql, 'read')
  const batchId = await begin(database, { views: gatedGroup('read') })
  let ended: ReturnType<typeof advanceToEnd> | undefined
  await sql.begin(async (reader) => {
    await reader`select from read_base`
    ended = advanceToEnd(database, batchId)
    await until('all shadows are built, and the exchange has begun', async () => {
      const runs =
        await sql`select status from viewkeeper.runs where batch_id = ${batchId} and built_at is not null`
      return runs.length === 3 && runs.every(({ status }) => status === 'running')
    })
  })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  expect(await ended).toMatchObject({ status: 'success' })
  expect(await tellRows(sql, 'read')).toEqual([2, 2, 2, 2])
})
