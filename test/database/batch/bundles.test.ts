import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { requestBatchCancel } from '../../../src/record/batches/batches.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { Problem } from '../../../src/words/problem.ts'
import { deep } from '../../support/deep.ts'
import { whileKilledAtEach } from '../../support/processes/kills.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import {
  accountOf,
  advanceToEnd,
  begin,
  countExecutions,
  makeGraph,
  retryAtOnce,
} from '../../support/views/batches.ts'
import { endProcess, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'

const { database, sql, url } = useDatabase()

beforeAll(() => retryAtOnce(sql))

const graph = { a: [], b: ['a'], c: ['b'], d: ['b'], e: ['c', 'd'] }
const views = Object.keys(graph)
const each = (...statuses: string[]) => Object.fromEntries(views.map((view) => [view, statuses]))

/** Makes the graph, and refreshes it once, so that it is known how long that takes. The view `gated` waits at a gate, if it is closed. */
async function makeKnown(schema: string, gated: string): Promise<void> {
  await makeGraph(sql, schema, graph)
  await sql.unsafe(`
    create function ${schema}.gate() returns integer language plpgsql as $$
    begin perform pg_advisory_xact_lock(hashtext('${schema}')); return 1; end $$`)
  const [{ definition }] = (await sql.unsafe(
    `select pg_get_viewdef('${schema}.${gated}') as definition`,
  )) as unknown as [{ definition: string }]
  const readers = await sql.unsafe(`
    select c.relname as name, pg_get_viewdef(c.oid) as definition from pg_class c
     where c.relnamespace = '${schema}'::regnamespace and c.relkind = 'm' order by 1`)
  await sql.unsafe(`drop materialized view ${schema}.${gated} cascade`)
  const gatedQuery = `select q.*, ${schema}.gate() as gate from (${definition.replace(/;$/, '')}) q`
  for (const { name, definition } of readers)
    await sql.unsafe(
      `create materialized view if not exists ${schema}.${name} as ${name === gated ? gatedQuery : definition.replace(/;$/, '')} with no data`,
    )
  expect(await advanceToEnd(database, await refreshAll(schema))).toMatchObject({ status: 'success' })
  // However slow the machine was: they fit into one message.
  await updateRows(sql, 'runs', { schemaName: schema }, { durationMs: 5 })
  await sql.unsafe(views.map((view) => `alter sequence ${schema}.${view}_executions restart`).join('; '))
}

const refreshAll = (schema: string) =>
  begin(database, { pattern: `${schema}.*`, strategy: 'regular', concurrency: 1, retries: 1 })

/** The views whose runs are recorded and not begun. */
const pending = (batchId: string) => sql`
  select view_name as name from viewkeeper.runs where batch_id = ${batchId} and status = 'pending' order by 1`

test('a chain of small views is planned and sent in one message, and each view has its run', async () => {
  await makeKnown('chain', 'a')
  const batchId = await refreshAll('chain')
  await withGateClosed(sql, 'chain', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'chain')
    expect((await pending(batchId)).map(({ name }) => name)).toEqual(['b', 'c', 'd', 'e'])
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect(await accountOf(sql, batchId)).toEqual({ statuses: each('success'), disorder: [], mostAtOnce: 1 })
  for (const view of views) expect(await countExecutions(sql, `chain.${view}`)).toBe(1)
})

test.each(views)(
  'a kill while %s of a bundle is refreshed ends that run only, and each view is refreshed once',
  async (victim) => {
    const schema = `kill_${victim}`
    await makeKnown(schema, victim)
    const batchId = await refreshAll(schema)
    await withGateClosed(sql, schema, async (open) => {
      const ended = advanceToEnd(database, batchId)
      await endProcess(sql, await untilAtGate(sql, schema))
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect(await accountOf(sql, batchId)).toEqual({
      statuses: { ...each('success'), [victim]: ['failed', 'success'] },
      disorder: [],
      mostAtOnce: 1,
    })
    for (const view of views)
      if (view !== victim) expect(await countExecutions(sql, `${schema}.${view}`)).toBe(1)
  },
)

test('after a kill in its first run, the views of a bundle travel together again', async () => {
  await makeKnown('again', 'a')
  const batchId = await refreshAll('again')
  await withGateClosed(sql, 'again', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await endProcess(sql, await untilAtGate(sql, 'again'))
    await untilAtGate(sql, 'again')
    expect(
      await sql`
        select view_name as name, status, plan ? 'bundle' as bundled from viewkeeper.runs where batch_id = ${batchId} and finished_at is null order by 1`,
    ).toEqual(views.map((name) => ({ name, status: name === 'a' ? 'running' : 'pending', bundled: true })))
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
})

test('a kill at any statement of a bundle ends that run only, and no record is false', deep, async () => {
  await makeKnown('at_any', 'a')
  for (const victim of ['a', 'c', 'e'])
    await whileKilledAtEach(sql, ['at_any', victim], async (at) => {
      const before = await Promise.all(views.map((view) => countExecutions(sql, `at_any.${view}`)))
      const batchId = await refreshAll('at_any')
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
      expect({ victim, at, ...(await accountOf(sql, batchId)) }).toEqual({
        victim,
        at,
        statuses: { ...each('success'), [victim]: ['failed', 'success'] },
        disorder: [],
        mostAtOnce: 1,
      })
      for (const [nth, view] of views.entries())
        if (view !== victim) expect(await countExecutions(sql, `at_any.${view}`)).toBe(before[nth]! + 1)
      await updateRows(sql, 'runs', { schemaName: 'at_any' }, { durationMs: 5 })
    })
})

test('a cancel while a bundle is refreshed ends the run that works, and no other begins', async () => {
  await makeKnown('canceled', 'b')
  const batchId = await refreshAll('canceled')
  await withGateClosed(sql, 'canceled', async () => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'canceled')
    expect(await requestBatchCancel(sql, batchId, 'test')).toBe(true)
    expect(await ended).toMatchObject({ status: 'canceled' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ ...each('canceled'), a: ['success'] })
})

test('a view that is paused while a view before it in its bundle is refreshed stays as it is', async () => {
  await makeKnown('paused', 'a')
  const batchId = await refreshAll('paused')
  await withGateClosed(sql, 'paused', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'paused')
    await pauseView(database, 'paused.d', true, 'test')
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ ...each('success'), d: ['skipped'] })
  expect(await countExecutions(sql, 'paused.d')).toBe(0)
})

/** A role to which views of a schema may be given. */
async function makeHeir(schema: string): Promise<string> {
  const heir = `heir_${url.slice(-8)}`
  await sql.unsafe(`create role ${heir}; grant usage, create on schema ${schema} to ${heir};
    grant all on all tables in schema ${schema} to ${heir}; grant all on all sequences in schema ${schema} to ${heir}`)
  onTestFinished(async () => void (await sql.unsafe(`drop schema ${schema} cascade; drop role ${heir}`)))
  return heir
}

test('a view that was given away before its bundle is planned is not refreshed on the session of its old owner', async () => {
  await makeKnown('gift', 'b')
  const heir = await makeHeir('gift')
  const batchId = await refreshAll('gift')
  await withGateClosed(sql, 'gift', async (open) => {
    const ended = advanceToEnd(database, batchId)
    const worker = await untilAtGate(sql, 'gift')
    await sql.unsafe(`alter materialized view gift.e owner to ${heir}`)
    await endProcess(sql, worker)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toMatchObject({
    b: ['failed', 'success'],
    d: ['success'],
    e: ['success'],
  })
  const sessions = await sql`
    select distinct backend_pid from viewkeeper.runs where batch_id = ${batchId} and status = 'success' and view_name in ('d', 'e')`
  expect(sessions).toHaveLength(2)
})

test('a view that is given away while a view before it in its bundle is refreshed is not refreshed there', async () => {
  await makeKnown('given', 'a')
  const heir = await makeHeir('given')
  const batchId = await refreshAll('given')
  await withGateClosed(sql, 'given', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'given')
    await sql.unsafe(`alter materialized view given.e owner to ${heir}`)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ ...each('success'), e: ['failed', 'success'] })
  expect(await countExecutions(sql, 'given.e')).toBe(1)
  const [first] = await sql`
    select error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId} and status = 'failed'`
  expect(first).toEqual({ class: 'CatalogChanged' })
})

test('a run whose plan is another one by now is not executed in the bundle', async () => {
  await makeKnown('anew', 'a')
  const batchId = await refreshAll('anew')
  await withGateClosed(sql, 'anew', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'anew')
    // As another process that advances the batch may plan it, for another owner.
    const fails = [{ kind: 'command', phase: 'building', sql: 'select 1 / 0' }]
    const plan = sql`plan || ${sql.json({ bundle: 'another', prepare: fails })}`
    await updateRows(sql, 'runs', { batchId, view: 'anew.e' }, { plan })
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual(each('success'))
  expect(await countExecutions(sql, 'anew.e')).toBe(1)
})

test('a view that fails in a bundle keeps what reads it from being refreshed, and nothing else', async () => {
  await makeKnown('failing', 'a')
  await sql.unsafe(`drop materialized view failing.c cascade;
    create materialized view failing.c as select id, 1 / (id - (select max(id) from failing.b)) as read_0 from failing.b with no data;
    create materialized view failing.e as select d.id, c.read_0 from failing.c c, failing.d d with no data`)
  await advanceToEnd(database, await refreshAll('failing'))
  const batchId = await refreshAll('failing')
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    a: ['success'],
    b: ['success'],
    c: ['failed'],
    d: ['success'],
    e: ['skipped'],
  })
})

/** Which strategy each view of a batch was refreshed by; `ms`: for how long a refresh in place may lock readers out. */
async function firstStrategies(schema: string, ms: number): Promise<Record<string, string>> {
  const limited = connectTo(fromUrl(url), { regularUpToMs: ms })
  const batchId = await begin(limited, { pattern: `${schema}.*`, concurrency: 1 })
  expect(await advanceToEnd(limited, batchId)).toMatchObject({ status: 'success' })
  const runs = await sql<{ view: string; strategy: string }[]>`
    select view_name as view, meta #>> '{response,strategy}' as strategy from viewkeeper.runs where batch_id = ${batchId} order by 1`
  return Object.fromEntries(runs.map(({ view, strategy }) => [view, strategy]))
}

test('small views of which nothing is known are refreshed in place, but not those that are large, or that cannot be tried', async () => {
  await sql.unsafe(`
    create schema unknown;
    create sequence unknown.written;
    create materialized view unknown.few as select 1 as x;
    create materialized view unknown.some as select 2 as x;
    create materialized view unknown.large as select string_agg(md5(i::text), '') as x from generate_series(1, 20000) i;
    create materialized view unknown.writes as select nextval('unknown.written') as x`)
  expect(await firstStrategies('unknown', 86_400_000)).toEqual({
    few: 'regular',
    some: 'regular',
    large: 'swap',
    writes: 'swap',
  })
  expect(await sql`select x::int from unknown.writes`).toEqual([{ x: 2 }])
})

test('a small view of which nothing is known, and that takes long, is tried for no longer than readers may be locked out', async () => {
  await sql.unsafe(`
    create schema long;
    create materialized view long.few as select 1 as x;
    create materialized view long.takes as
      select pg_sleep(case current_setting('transaction_read_only') when 'on' then 600 else 0 end)::text as x`)
  expect(await firstStrategies('long', 50)).toMatchObject({ takes: 'swap' })
})

test('a server that lets no more sessions in leaves small views unknown, and the batch goes on', async () => {
  await sql.unsafe(`
    create schema crowded; create materialized view crowded.few as select 1 as x; create materialized view crowded.some as select 2 as x`)
  const limited = connectTo(fromUrl(url), { regularUpToMs: 86_400_000 })
  const batchId = await begin(limited, { pattern: 'crowded.*', concurrency: 1 })
  let sessions = 0
  const full = () => Promise.reject(new Problem('TooManyConnections', 'sorry, too many clients already'))
  const crowded: typeof limited = {
    ...limited,
    withConnection: (...given) => (sessions++ === 0 ? limited.withConnection(...given) : full()),
  }
  await advance(batchId, { database: crowded, until: Date.now() + 60_000 })
  expect(await getBatch(database, batchId)).toMatchObject({ status: 'success' })
  expect(sessions).toBeGreaterThan(1)
})
