import { beforeAll, describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { cancelBatch } from '../../../src/batch/end.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { filters } from '../../../src/catalog/plan/state.ts'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { deep } from '../../support/deep.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import {
  accountOf,
  advanceToEnd,
  begin,
  countExecutions,
  makeFailing,
  makeGraph,
} from '../../support/views/batches.ts'
import { findAtGate, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()
const noRetry = { retries: 0 }

beforeAll(() => makeFailing(sql))

describe('a batch', () => {
  test('computes rows under the plan_cache_mode of the login, also over a connection that has had a run', async () => {
    await sql`create schema modes`
    for (const view of ['modes.a', 'modes.b'])
      await sql.unsafe(
        `create materialized view ${view} as select current_setting('plan_cache_mode') as mode with no data`,
      )
    await advanceToEnd(database, await begin(database, { pattern: 'modes.*', concurrency: 1 }))
    expect(await sql`select mode from modes.a union all select mode from modes.b`).toEqual([
      { mode: 'auto' },
      { mode: 'auto' },
    ])
  })

  test('refreshes a diamond in order, each view once, and records that', async () => {
    await makeGraph(sql, 'diamond', { top: [], left: ['top'], right: ['top'], low: ['left', 'right'] })
    const batchId = await begin(database, { pattern: 'diamond.*', concurrency: 2 })
    expect(await advanceToEnd(database, batchId)).toEqual({
      batchId,
      done: true,
      status: 'success',
      error: null,
    })
    expect(await accountOf(sql, batchId)).toMatchObject({
      statuses: { top: ['success'], left: ['success'], right: ['success'], low: ['success'] },
      disorder: [],
    })
    for (const view of ['top', 'left', 'right', 'low']) {
      expect(await countExecutions(sql, `diamond.${view}`)).toBe(1)
    }
  })

  test('respects a dependency that only a definition knows', async () => {
    await makeGraph(sql, 'declared', { a: [], b: [] }, { seconds: 0.1 })
    await define(sql, 'declared.a', { depends_on: ['declared.b'] })
    const batchId = await begin(database, { pattern: 'declared.*', concurrency: 2 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await accountOf(sql, batchId)).toMatchObject({ disorder: [], mostAtOnce: 1 })
  })

  test('refreshes each view with the requested strategy', async () => {
    await makeGraph(sql, 'requested', { a: [] })
    const batchId = await begin(database, { pattern: 'requested.*', strategy: 'regular' })
    await advanceToEnd(database, batchId)
    const [run] =
      await sql`select meta, trigger, requested_by from viewkeeper.runs where batch_id = ${batchId}`
    expect(run).toMatchObject({
      meta: {
        request: { view: 'requested.a', strategy: 'regular' },
        response: { strategy: 'regular', because: 'requested' },
      },
      trigger: 'batch',
      requested_by: 'test',
    })
  })

  test('is shown with its graph, its states and the estimated rest', async () => {
    await makeGraph(sql, 'shown', { a: [], b: ['a'] })
    const batchId = await begin(database, { pattern: 'shown.*' })
    expect(await getBatch(database, batchId)).toMatchObject({
      status: 'pending',
      selection: { pattern: 'shown.*' },
      elapsedMs: null,
      estimatedRestMs: 200,
      views: [
        { view: 'shown.a', status: 'waiting', dependsOn: [], runs: [] },
        { view: 'shown.b', status: 'waiting', dependsOn: ['shown.a'], runs: [] },
      ],
    })
    await advanceToEnd(database, batchId)
    expect(await getBatch(database, batchId)).toMatchObject({
      status: 'success',
      elapsedMs: expect.any(Number),
      estimatedRestMs: null,
      views: [
        { status: 'success', runs: [{ attempt: 1, status: 'success', elapsedMs: expect.any(Number) }] },
        { status: 'success' },
      ],
    })
    await deleteRows(sql, 'runs', { batchId, view: 'shown.b' })
    expect(await getBatch(database, batchId)).toMatchObject({
      views: [{ status: 'success' }, { view: 'shown.b', status: 'pruned', runs: [] }],
    })
  })

  const unknown = { done: true, status: 'failed', error: { class: 'UnknownBatch' } }

  test('that does not exist is done, and failed', async () => {
    expect(await advance('nowhere', { database, until: 0 })).toMatchObject(unknown)
  })

  test('that is deleted while it is advanced is done, and failed', deep, async () => {
    await makeGatedView(sql, 'deleted')
    const batchId = await begin(database, { views: ['deleted'] })
    await withGateClosed(sql, 'deleted', async () => {
      const advancing = advance(batchId, { database, until: muchLater() })
      await untilAtGate(sql, 'deleted')
      await deleteRows(sql, 'batches', { id: batchId })
      expect(await advancing).toMatchObject(unknown)
    })
  })
})

describe('a view that fails', () => {
  test('makes the views that read it skipped, by name, and no others', async () => {
    await makeGraph(sql, 'broken', { good: [], after_good: ['good'] })
    await sql.unsafe(`
      create materialized view broken.bad as select 1 / (select count(*) from broken.good where id < 0) as id with no data;
      create materialized view broken.child as select id from broken.bad with no data;
      create materialized view broken.grandchild as select id from broken.child with no data`)
    const batchId = await begin(database, { pattern: 'broken.*', ...noRetry })
    const advanced = await advanceToEnd(database, batchId)
    expect(advanced).toMatchObject({
      status: 'failed',
      error: { class: 'ViewsFailed', views: ['broken.bad'] },
    })
    expect(advanced.error?.message).toContain('broken.bad (ViewSqlFailed)')
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      good: ['success'],
      after_good: ['success'],
      bad: ['failed'],
      child: ['skipped'],
      grandchild: ['skipped'],
    })
    const skipped = await sql`
      select error from viewkeeper.runs where batch_id = ${batchId} and status = 'skipped'`
    for (const { error } of skipped) {
      expect(error).toMatchObject({ class: 'UpstreamFailed', message: expect.stringContaining('broken.bad') })
    }
  })

  test('is tried again, and the views that read it wait for that', async () => {
    await makeGraph(sql, 'moody', {})
    // The first execution fails: a sequence does not go back.
    await sql.unsafe(`
      create sequence moody.tries;
      create materialized view moody.a as select case nextval('moody.tries') when 1 then not_yet() end as id with no data;
      create materialized view moody.b as select id from moody.a with no data`)
    await define(sql, 'moody.a', { retries: 1, retry_delay_seconds: 1 })
    const batchId = await begin(database, { pattern: 'moody.*' })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await accountOf(sql, batchId)).toMatchObject({
      statuses: { a: ['failed', 'success'], b: ['success'] },
      disorder: [],
    })
    const [delay] = await sql`
      select extract(epoch from b.started_at - a.finished_at)::float8 as seconds
        from viewkeeper.runs a join viewkeeper.runs b on b.batch_id = a.batch_id and b.attempt = 2 and b.view_name = 'a'
       where a.batch_id = ${batchId} and a.attempt = 1 and a.view_name = 'a'`
    expect(delay?.seconds).toBeGreaterThanOrEqual(1)
  })

  test('because its time is over counts as failed', async () => {
    await makeGraph(sql, 'hanging', { a: [], other: [] })
    await sql`create materialized view hanging.never as select pg_sleep(600)::text as id with no data`
    await sql`create materialized view hanging.child as select id from hanging.never with no data`
    await define(sql, 'hanging.never', { timeout_seconds: 3 })
    const batchId = await begin(database, { pattern: 'hanging.*', ...noRetry })
    expect(await advanceToEnd(database, batchId)).toMatchObject({
      status: 'failed',
      error: { views: ['hanging.never'] },
    })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      a: ['success'],
      other: ['success'],
      never: ['failed'],
      child: ['skipped'],
    })
    const { views } = await getBatch(database, batchId)
    expect(views.find(({ view }) => view === 'hanging.never')?.runs).toMatchObject([
      { class: 'StatementTimeout' },
    ])
  })

  test('because it was dropped meanwhile has UnknownView on record, after all its tries', deep, async () => {
    await makeGatedView(sql, 'going')
    await sql`create materialized view gone as select id from going`
    await sql`create materialized view after_gone as select id from gone`
    await define(sql, 'public.gone', { retry_delay_seconds: 0 })
    const batchId = await begin(database, {
      views: ['going', 'gone', 'after_gone'],
      retries: 1,
      exchange: 'each',
    })
    await withGateClosed(sql, 'going', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'going')
      await sql`drop materialized view gone cascade`
      await open()
      expect(await ended).toMatchObject({ status: 'failed', error: { views: ['public.gone'] } })
    })
    expect((await accountOf(sql, batchId)).statuses).toEqual({
      going: ['success'],
      gone: ['failed', 'failed'],
      after_gone: ['skipped'],
    })
    const runs =
      await sql`select error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId} and view_name = 'gone'`
    expect(runs).toEqual([{ class: 'UnknownView' }, { class: 'UnknownView' }])
  })

  test('for what waiting cannot fix is not tried again: a missing right, a missing column', async () => {
    await makeGraph(sql, 'permanent', {})
    await sql.unsafe(`
      create role poor_owner;
      grant usage on schema permanent to poor_owner;
      create table permanent.secret as select 1 as id;
      create function permanent.one() returns int language plpgsql as 'begin return (select lost from permanent.secret); end';
      create materialized view permanent.no_right as select id from permanent.secret with no data;
      alter materialized view permanent.no_right owner to poor_owner;
      create materialized view permanent.no_column as select permanent.one() as id with no data;
      create materialized view permanent.by_zero as select 1 / (select count(*) from pg_class where oid = 0) as id with no data`)
    const batchId = await begin(database, { pattern: 'permanent.*', retries: 5 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    const runs = await sql`
      select view_name as view, attempt, error ->> 'class' as class, error ->> 'sqlstate' as sqlstate
        from viewkeeper.runs where batch_id = ${batchId} order by 1`
    expect(runs).toEqual([
      { view: 'by_zero', attempt: 1, class: 'ViewSqlFailed', sqlstate: '22012' },
      { view: 'no_column', attempt: 1, class: 'ViewSqlFailed', sqlstate: '42703' },
      { view: 'no_right', attempt: 1, class: 'InsufficientPrivilege', sqlstate: '42501' },
    ])
  })

  test('shows when it is tried again, and counts that wait in the time that is left', deep, async () => {
    await makeGraph(sql, 'patient', {})
    await sql`create materialized view patient.a as select not_yet() with no data`
    await define(sql, 'patient.a', { retries: 1, retry_delay_seconds: 3600 })
    const batchId = await begin(database, { pattern: 'patient.*' })
    const advanced = advance(batchId, { database, until: muchLater() })
    const retry = await until('the retry is on record', async () => {
      const { views } = await getBatch(database, batchId)
      return views[0]?.runs[1]
    })
    const asked = Date.now()
    const { estimatedRestMs } = await getBatch(database, batchId)
    const restMs = Number(retry.notBefore) - asked
    expect(estimatedRestMs).toBeGreaterThan(restMs - (Date.now() - asked) - 1000)
    expect(estimatedRestMs).toBeLessThan(restMs + 2000)
    const { notBefore } = await getRun(database, retry.runId)
    expect(notBefore).toEqual(retry.notBefore)
    const listed = (await listViews(database)).views.find(({ view }) => view === 'patient.a')!
    const said = { runId: retry.runId - 1, at: notBefore, message: 'a function raised an exception' }
    expect(listed).toMatchObject({ retry: said, lastRun: { status: 'pending' } })
    expect(filters.failed(listed)).toBe(true)
    expect((await getView(database, 'patient.a')).retry).toEqual(said)
    // While nothing but retries waits, a call that is asked to leave does so, for other batches.
    const idle = await advance(batchId, { database, until: muchLater(), leaveWhenIdle: true })
    expect(idle).toEqual({ batchId, done: false, idle: true })
    expect(Number(notBefore)).toBeGreaterThan(Date.now())
    await cancelBatch(batchId, { database, requestedBy: 'test', waitUntil: muchLater() })
    expect(await advanced).toMatchObject({ status: 'canceled' })
    const canceled = await getView(database, 'patient.a')
    expect(canceled).toMatchObject({ retry: null, state: 'failed', lastRun: { status: 'canceled' } })
    expect(filters.failed(canceled)).toBe(true)
  })

  test('has the lines of its own functions on record, and none of ours, on a connection that is kept, too', async () => {
    await sql.unsafe(`
      create schema raising;
      create function raising.fail() returns integer language plpgsql as $$
      begin
        raise 'not today';
      end $$;
      create materialized view raising.one as select raising.fail() as id with no data;
      create materialized view raising.two as select raising.fail() as id with no data;
      create materialized view raising.three as select raising.fail() as id with no data`)
    const batchId = await begin(database, {
      pattern: 'raising.*',
      strategy: 'regular',
      concurrency: 1,
      ...noRetry,
    })
    await advanceToEnd(database, batchId)
    const contexts = await sql`
      select error ->> 'context' as context from viewkeeper.runs where batch_id = ${batchId}`
    expect(contexts.map(({ context }) => context)).toEqual(Array(3).fill('raising.fail() line 3'))
  })

  test('because its plan is refused leaves a run with the reason', async () => {
    await makeGraph(sql, 'refused', { a: [] })
    await sql`refresh materialized view refused.a`
    const batchId = await begin(database, { pattern: 'refused.*', strategy: 'concurrent', retries: 5 })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    const runs =
      await sql`select status, error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId}`
    expect(runs).toEqual([{ status: 'failed', class: 'UniqueIndexRequired' }])
  })
})

describe('another run of a view', () => {
  test('is waited for; then the batch refreshes the view itself', async () => {
    await makeGatedView(sql, 'busy')
    await withGateClosed(sql, 'busy', async (open) => {
      const other = refresh({ view: 'busy' }, callOn(database))
      await untilAtGate(sql, 'busy')
      const batchId = await begin(database, { views: ['busy'] })
      const ended = advanceToEnd(database, batchId)
      await until(
        'the batch is advanced',
        async () => (await getBatch(database, batchId)).status === 'running',
      )
      expect((await accountOf(sql, batchId)).statuses).toEqual({})
      await open()
      expect(await other).toMatchObject({ status: 'updated' })
      expect(await ended).toMatchObject({ status: 'success' })
      expect((await accountOf(sql, batchId)).statuses).toEqual({ busy: ['success'] })
    })
  })

  test('keeps a call from leaving, although the batch has no run but a retry that waits', deep, async () => {
    await makeGatedView(sql, 'held')
    await sql`create materialized view delayed as select not_yet() with no data`
    await define(sql, 'public.delayed', { retries: 1, retry_delay_seconds: 3600 })
    await withGateClosed(sql, 'held', async (open) => {
      const other = refresh({ view: 'held' }, callOn(database))
      await untilAtGate(sql, 'held')
      const batchId = await begin(database, { views: ['held', 'delayed'], concurrency: 2 })
      const advanced = advance(batchId, { database, until: muchLater() })
      await until(
        'the retry is on record',
        async () => (await accountOf(sql, batchId)).statuses.delayed?.length === 2,
      )
      const stayed = await advance(batchId, { database, until: Date.now() + 500, leaveWhenIdle: true })
      expect(stayed).toEqual({ batchId, done: false })
      expect((await accountOf(sql, batchId)).statuses).toEqual({ delayed: ['failed', 'pending'] })
      await cancelBatch(batchId, { database, requestedBy: 'test', waitUntil: muchLater() })
      await advanced
      await open()
      expect(await other).toMatchObject({ status: 'updated' })
    })
  })
})

describe('two batches at once', () => {
  test('do not wait for each other: each has its own concurrency', async () => {
    await makeGatedView(sql, 'standing')
    await makeGraph(sql, 'passing', { a: [], b: ['a'] })
    const standing = await begin(database, { views: ['standing'], concurrency: 1 })
    await withGateClosed(sql, 'standing', async (open) => {
      const ended = advanceToEnd(database, standing)
      await untilAtGate(sql, 'standing')
      const passing = await begin(database, { pattern: 'passing.*', concurrency: 1 })
      expect(await advanceToEnd(database, passing)).toMatchObject({ status: 'success' })
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
  })
})

describe('a plan made ahead', () => {
  test('is dropped if the definition or the view was changed before its turn', async () => {
    await makeGatedView(sql, 'first_in_line')
    await sql.unsafe(`
      create materialized view redefined as select id from first_in_line;
      create materialized view remade as select id from first_in_line;
      create unique index on remade (id)`)
    await define(sql, 'public.remade', { refresh_strategy: 'concurrent' })
    const batchId = await begin(database, { views: ['first_in_line', 'redefined', 'remade'] })
    await withGateClosed(sql, 'first_in_line', async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, 'first_in_line')
      await define(sql, 'public.redefined', { refresh_strategy: 'regular' })
      await sql.unsafe(`
        drop materialized view remade;
        create materialized view remade as select id + 1 as id from first_in_line`)
      await open()
      expect(await ended).toMatchObject({ status: 'failed', error: { views: ['public.remade'] } })
    })
    const runs = await sql`
      select view_name, meta #>> '{response,strategy}' as strategy, error ->> 'class' as class from viewkeeper.runs
       where batch_id = ${batchId} and view_name <> 'first_in_line' order by view_name`
    expect(runs).toEqual([
      { view_name: 'redefined', strategy: 'regular', class: null },
      { view_name: 'remade', strategy: null, class: 'UniqueIndexRequired' },
    ])
  })
})

describe('a call', () => {
  test('ends when its time is up; the server goes on, and the next call finds the result', deep, async () => {
    await makeGatedView(sql, 'long')
    await sql`create materialized view after_long as select id from long`
    const batchId = await begin(database, { views: ['long', 'after_long'] })
    await withGateClosed(sql, 'long', async (open) => {
      // A slow machine needs more than one call until the refresh runs.
      await until('the refresh runs when a call ends', async () => {
        expect(await advance(batchId, { database, until: Date.now() + 1000 })).toEqual({
          batchId,
          done: false,
        })
        return findAtGate(sql, 'long')
      })
      const stamp = () => getBatch(database, batchId).then(({ advancedAt }) => Number(advancedAt))
      const before = await stamp()
      expect(await advance(batchId, { database, until: 0 })).toEqual({ batchId, done: false })
      expect(await stamp()).toBeGreaterThan(before)
      await open()
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    })
    expect(await accountOf(sql, batchId)).toMatchObject({
      statuses: { long: ['success'], after_long: ['success'] },
      disorder: [],
    })
  })

  test('after the end returns the same end again', async () => {
    await makeGraph(sql, 'over', { a: [] })
    const batchId = await begin(database, { pattern: 'over.*' })
    const ended = await advanceToEnd(database, batchId)
    expect(await advance(batchId, { database, until: 0 })).toEqual(ended)
  })
})
