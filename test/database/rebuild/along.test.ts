import { afterEach, describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import type { BatchRequest } from '../../../src/batch/start.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { deep, eachCase, eachGroup } from '../../support/deep.ts'
import { writePast } from '../../support/record/past.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { shadowSchemas } from '../../support/views/gated-group.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { url, database, sql } = useDatabase()

/** No test leaves a shadow. */
afterEach(async () => {
  expect(await shadowSchemas(sql)).toEqual([])
})

/** A table, and three views that read one another, without any unique index. The lowest one has a gate. */
async function makeChain(name: string, top = 'with data'): Promise<void> {
  await sql.unsafe(`create table ${name}_t (v int); insert into ${name}_t values (1)`)
  await makeGatedView(sql, `${name}_base`, `select 1 as id, count(*)::int as n from ${name}_t`)
  await sql.unsafe(`
    drop index ${name}_base_key;
    create materialized view ${name}_mid as select n from ${name}_base;
    create materialized view ${name}_top as select n from ${name}_mid ${top};
    insert into ${name}_t values (2)`)
}

const rowsOf = async (name: string) =>
  Object.values(
    (
      await sql.unsafe(`
        select (select n from ${name}_base) as base, (select n from ${name}_mid) as mid, (select n from ${name}_top) as top`)
    )[0] ?? {},
  )

/** What a reader sees who does not wait. */
const readAtOnce = (view: string) =>
  sql.begin(async (reader) => {
    await reader`set local lock_timeout = '1s'`
    return reader.unsafe(`select n from ${view}`)
  })

const viewOf = async (batchId: string, view: string) =>
  (await getBatch(database, batchId)).views.find((each) => each.view === `public.${view}`)

const chain = (name: string) => ['base', 'mid', 'top'].map((view) => `${name}_${view}`)

test('a view that comes along, and of whose duration nothing is known, is thought to take what the others take', async () => {
  await makeChain('guess')
  await define(sql, 'public.guess_base', { in_all: true })
  await writePast(sql, [{ view: 'guess_base', ago: '1 minute', durationMs: 40_000 }])
  const batchId = await begin(database, { views: ['guess_base'], strategy: 'swap' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  const { views } = await getBatch(database, batchId)
  expect(views.map(({ includedBecause, estimatedMs }) => [includedBecause !== null, estimatedMs])).toEqual([
    [false, 40_000],
    [true, 40_000],
    [true, 40_000],
  ])
})

eachGroup(['auto', 'swap'], { quick: 1 })('with strategy %s, readers do not wait', (strategy) => {
  eachCase<[string, (name: string) => BatchRequest, string | null]>(
    [
      [
        'some',
        (name) => ({ views: [`${name}_base`, `${name}_mid`] }),
        'it is not in the batch, but reads public.some_mid, which cannot be exchanged without it',
      ],
      [
        'one',
        (name) => ({ views: [`${name}_base`] }),
        'it is not in the batch, but reads public.one_mid, which cannot be exchanged without it',
      ],
      ['each', (name) => ({ views: chain(name), exchange: 'each' }), null],
      ['empty', (name) => ({ views: chain(name) }), null],
    ],
    { quick: 1 },
  )('for a batch of a chain: %s', async (which, requestOf, because) => {
    const name = `${which}_${strategy}`
    await makeChain(name, which === 'empty' ? 'with no data' : 'with data')
    const batchId = await begin(database, { ...requestOf(name), strategy })
    await withGateClosed(sql, `${name}_base`, async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, `${name}_base`)
      expect(await readAtOnce(`${name}_base`)).toEqual([{ n: 1 }])
      await open()
      expect(await ended).toMatchObject({ status: 'success', error: null })
    })
    expect(await rowsOf(name)).toEqual([2, 2, 2])
    expect((await accountOf(sql, batchId)).statuses).toEqual(
      Object.fromEntries(chain(name).map((view) => [view, ['success']])),
    )
    const along = because?.replace(`${which}_mid`, `${name}_mid`) ?? null
    expect(await viewOf(batchId, `${name}_top`)).toMatchObject({ includedBecause: along })
    expect(await viewOf(batchId, `${name}_base`)).toMatchObject({ includedBecause: null })
    const [top] = await sql`
      select meta #>> '{response,because}' as because from viewkeeper.runs where view_name = ${`${name}_top`}`
    expect(top?.because).toBe(
      `the batch exchanges it at one moment with public.${name}_base, public.${name}_mid${along === null ? '' : `: ${along}`}`,
    )
  })
})

describe('a view that comes along', () => {
  test('and fails does not fail the batch, and does not come along the next time', async () => {
    await sql.unsafe(`
      create schema spoilt; create table spoilt.t (v int); insert into spoilt.t values (1);
      create materialized view spoilt.base as select v from spoilt.t;
      create materialized view spoilt.top as select 1 / (2 - v) as v from spoilt.base;
      update spoilt.t set v = 2`)
    const batchId = await begin(database, { views: ['spoilt.base'], retries: 0 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success', error: null })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      base: ['skipped', 'success'],
      top: ['failed'],
    })
    expect(await sql`select v from spoilt.base`).toEqual([{ v: 2 }])
    const next = await begin(database, { views: ['spoilt.base'], retries: 0 })
    expect(await advanceToEnd(database, next)).toMatchObject({ status: 'success' })
    expect((await accountOf(sql, next)).statuses).toEqual({ base: ['success'] })
  })

  test('is built before a view of the batch that reads it', async () => {
    await sql.unsafe(`
      create schema layers; create table layers.t (v int); insert into layers.t values (1);
      create materialized view layers.base as select v from layers.t;
      create materialized view layers.mid as select v from layers.base;
      create materialized view layers.top as select v from layers.mid;
      update layers.t set v = 2`)
    const batchId = await begin(database, { views: ['layers.top', 'layers.base'], concurrency: 4 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await accountOf(sql, batchId)).toMatchObject({
      statuses: { base: ['success'], mid: ['success'], top: ['success'] },
      disorder: [],
    })
    expect(await sql`select v from layers.top`).toEqual([{ v: 2 }])
  })

  test(
    'is rebuilt by the refresh of what it reads if its group is given up, and no view is rebuilt twice',
    deep,
    async () => {
      await makeChain('left')
      const batchId = await begin(database, { views: ['left_base', 'left_mid'] })
      await withGateClosed(sql, 'left_base', async (open) => {
        const ended = advanceToEnd(database, batchId)
        await untilAtGate(sql, 'left_base')
        await sql`create index on left_top (n)`
        await open()
        expect(await ended).toMatchObject({ status: 'success' })
      })
      const { statuses } = await accountOf(sql, batchId)
      expect(statuses.left_top).toEqual(['skipped', 'skipped'])
      expect(await rowsOf('left')).toEqual([2, 2, 2])
    },
  )
})

test('a view with a unique index that is read by a paused one is refreshed concurrently, and the paused one keeps its data', async () => {
  await sql.unsafe(`
    create schema keyed; create table keyed.t (v int); insert into keyed.t values (1);
    create materialized view keyed.base as select v from keyed.t; create unique index on keyed.base (v);
    create materialized view keyed.top as select v from keyed.base;
    update keyed.t set v = 2`)
  await define(sql, 'keyed.top', { paused_at: new Date() })
  const batchId = await begin(database, { pattern: 'keyed.*' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  expect(await sql`select b.v as base, t.v as top from keyed.base b, keyed.top t`).toEqual([
    { base: 2, top: 1 },
  ])
  const [run] = await sql`
    select meta #>> '{response,strategy}' as strategy, meta #>> '{response,because}' as because
      from viewkeeper.runs where schema_name = 'keyed' and view_name = 'base'`
  expect(run).toEqual({
    strategy: 'concurrent',
    because:
      'there is unique index base_v_idx, and the view cannot be swapped: a batch refreshes a view with a usable unique index without the views that read it',
  })
})

describe('a paused view keeps its data, whatever the view that it reads needs', () => {
  test('without a unique index, that view is refreshed in place, and its run says why', async () => {
    await makeChain('still')
    await pauseView(database, 'still_top', true, 'test')
    const batchId = await begin(database, { views: chain('still') })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await rowsOf('still')).toEqual([2, 2, 1])
    const { views, refreshedEach } = await getBatch(database, batchId)
    expect(views.find(({ view }) => view === 'public.still_top')).toMatchObject({
      includedBecause: null,
      runs: [{ status: 'skipped', message: expect.stringMatching(/^the view is paused/) }],
    })
    expect(refreshedEach.map(({ because }) => because)).toEqual(Array(3).fill('public.still_top is paused'))
    const because = await sql`
      select meta #>> '{response,because}' as because from viewkeeper.runs
       where batch_id = ${batchId} and view_name in ('still_base', 'still_mid') and status = 'success'`
    expect(because).toHaveLength(2)
    for (const run of because) expect(run.because).toMatch(/still_top, which reads it, is paused$/)
  })

  test('by strategy "swap", that view is refused with the name of the paused one', async () => {
    await makeChain('refused')
    await pauseView(database, 'refused_top', true, 'test')
    const batchId = await begin(database, { views: chain('refused'), strategy: 'swap', retries: 0 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    expect(await rowsOf('refused')).toEqual([1, 1, 1])
    const [run] = await sql`
      select error ->> 'class' as class, error ->> 'message' as message from viewkeeper.runs
       where batch_id = ${batchId} and view_name = 'refused_base'`
    expect(run).toEqual({
      class: 'SwapImpossible',
      message: expect.stringContaining('public.refused_top, which reads it, is paused'),
    })
  })

  test('paused while its group is built, it is not exchanged, and the others are refreshed without it', async () => {
    await makeChain('late')
    const batchId = await begin(database, { views: chain('late') })
    await withGateClosed(sql, 'late_base', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'late_base')
      await pauseView(database, 'late_top', true, 'test')
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect(await rowsOf('late')).toEqual([2, 2, 1])
  })
})

test('a refusal names what stands in the way of a swap, and no shadow of the batch', async () => {
  await sql.unsafe(`
    create schema named; create table named.t (v int); insert into named.t values (1);
    create materialized view named.base as select v from named.t;
    create materialized view named.mid as select v from named.base;
    create materialized view named.top as select v from named.mid;
    create materialized view named.other as select v from named.base;
    create table named.uses (row_of named.other)`)
  const batchId = await begin(database, { pattern: 'named.*', strategy: 'swap', retries: 0 })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
  expect((await getBatch(database, batchId)).groups).toMatchObject([{ views: ['named.mid', 'named.top'] }])
  const runs = await sql`
    select view_name as view, error ->> 'class' as class, error ->> 'message' as message
      from viewkeeper.runs where batch_id = ${batchId}`
  expect(runs.find(({ view }) => view === 'base')).toMatchObject({
    class: 'SwapImpossible',
    message: expect.stringMatching(
      /^named\.base cannot be swapped: named\.other: column row_of of table named\.uses/,
    ),
  })
  expect(JSON.stringify(runs)).not.toMatch(/viewkeeper_b/)
})

test('a temporary view of another session is named with its session, and keeps no view from its refresh', async () => {
  await sql.unsafe(
    'create table read_for_now_t (v int); create materialized view read_for_now as select v from read_for_now_t',
  )
  const made = 'create temporary view mine as select v from read_for_now; commit; begin'
  await whileLocked(url, made, async () => {
    expect(await refresh({ view: 'read_for_now', strategy: 'swap' }, callOn(database))).toMatchObject({
      error: {
        class: 'SwapImpossible',
        message: expect.stringMatching(
          /^public\.read_for_now cannot be swapped: temporary view mine of .*process \d+ \(role postgres.*\) reads it: end that session/,
        ),
      },
    })
    expect(await refresh({ view: 'read_for_now' }, callOn(database))).toMatchObject({ status: 'updated' })
  })
  expect(await refresh({ view: 'read_for_now', strategy: 'swap' }, callOn(database))).toMatchObject({
    status: 'updated',
  })
})

describe('while groups are formed', () => {
  /** Each `create schema` of this database does `what` first; `tries` counts them, also those that are rolled back. */
  const onCreateSchema = (what: string) =>
    sql.unsafe(`
      create sequence public.tries;
      create function meddle() returns event_trigger language plpgsql as $$ begin ${what}; end $$;
      create event trigger meddle on ddl_command_start when tag in ('CREATE SCHEMA') execute function meddle()`)
  const leaveAlone = () =>
    sql.unsafe('drop event trigger meddle; drop function meddle(); drop sequence tries')

  async function makePair(schema: string) {
    await sql.unsafe(`
      create schema ${schema}; create table ${schema}.t (v int); insert into ${schema}.t values (1);
      create materialized view ${schema}.base as select v from ${schema}.t;
      create materialized view ${schema}.top as select v from ${schema}.base`)
    return begin(database, { pattern: `${schema}.*`, strategy: 'swap', retries: 0 })
  }

  eachCase(
    [
      ['a cancel', 'perform pg_cancel_backend(pg_backend_pid()); perform pg_sleep(10)'],
      ['a lock that is not granted', "raise exception using errcode = 'lock_not_available'"],
      ['a deadlock', "raise exception using errcode = 'deadlock_detected'"],
    ],
    { quick: 1 },
  )('%s ends no view: the groups are formed again', async (what, failure) => {
    const schema = what.replaceAll(' ', '_')
    const batchId = await makePair(schema)
    await onCreateSchema(`if nextval('public.tries') = 1 then ${failure}; end if`)
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    await leaveAlone()
    expect((await accountOf(sql, batchId)).statuses).toEqual({ base: ['success'], top: ['success'] })
    expect(await getBatch(database, batchId)).toMatchObject({
      refreshedEach: [],
      groups: [{ givenUp: null }],
    })
  })

  test('what fails for good is the cause in the runs', async () => {
    const batchId = await makePair('refused')
    await onCreateSchema("raise exception 'no schemas today'")
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    await leaveAlone()
    const [base] = await sql`
      select error ->> 'class' as class, error ->> 'message' as message, error ->> 'context' as context
        from viewkeeper.runs where schema_name = 'refused' and view_name = 'base' and batch_id = ${batchId}`
    expect(base).toMatchObject({
      class: 'EventTriggerFailed',
      message: 'no schemas today',
      context: expect.stringMatching(/^event trigger meddle\n.* line \d+$/),
    })
  })
})

test(
  'groups that meet only over a view that is refreshed by itself are exchanged when each is ready',
  deep,
  async () => {
    await sql.unsafe(`
    create schema over; create table over.t (v int); insert into over.t values (1);
    create materialized view over.base as select v from over.t; create view over.plain as select v from over.base;
    create materialized view over.small as select v from over.plain;
    create materialized view over.above as select v from over.small`)
    await makeGatedView(sql, 'over_slow', 'select v as id from over.plain')
    await sql.unsafe(`
    create materialized view over.slow_above as select id from over_slow;
    create view over.both as select v, id from over.above, over.slow_above;
    update over.t set v = 2`)
    await define(sql, 'over.base', { refresh_strategy: 'regular' })
    const views = ['over.base', 'over.small', 'over.above', 'over.slow_above', 'public.over_slow']
    const batchId = await begin(database, { views })
    await withGateClosed(sql, 'over_slow', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'over_slow')
      await until('the small group is exchanged', async () => {
        const { views } = await getBatch(database, batchId)
        return views.find(({ view }) => view === 'over.above')?.status === 'success'
      })
      expect(await sql`select v, id from over.both`).toEqual([{ v: 2, id: 1 }])
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect(await sql`select v, id from over.both`).toEqual([{ v: 2, id: 2 }])
  },
)
