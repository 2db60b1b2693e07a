import { beforeAll, expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import { requestBatchCancel } from '../../../src/record/batches/batches.ts'
import { type RunRequest, startRun } from '../../../src/record/runs/runs.ts'
import type { Sql } from '../../../src/server/database.ts'
import { withTransaction } from '../../../src/server/transactions.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { sendEnvelope } from '../../support/processes/envelope.ts'
import { readyAdvancer } from '../../support/processes/killed-advancer.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import {
  accountOf,
  advanceToEnd,
  advanceToGate,
  begin,
  countExecutions,
  makeGraph,
  retryAtOnce,
} from '../../support/views/batches.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

beforeAll(() => retryAtOnce(sql))

/** A graph with diamonds and chains, in which two views can mostly be refreshed at once. */
const graph = {
  a: [],
  b: [],
  c: ['a'],
  d: ['a', 'b'],
  e: ['b'],
  f: ['c', 'd'],
  g: ['d', 'e'],
  h: ['f'],
  i: ['f', 'g'],
  j: ['g'],
  k: ['h', 'i', 'j'],
  l: [],
}
const views = Object.keys(graph)
const eachOnce = Object.fromEntries(views.map((view) => [view, ['success']]))

/** Writes the pending row of a first attempt, as an advancing call does before it sends the envelope. */
function writeAttempt(
  batchId: string,
  view: { id: number; schema: string; name: string },
  statement: string,
  by: Sql = sql,
) {
  const run: RunRequest = {
    definitionId: view.id,
    schema: view.schema,
    name: view.name,
    operation: 'refresh',
    trigger: 'batch',
    requestedBy: '',
    caller: '',
    idempotencyKey: null,
    request: {},
    batch: { id: batchId, attempt: 1 },
  }
  const statements = [{ kind: 'command' as const, phase: 'building' as const, sql: statement }]
  const locked = {
    lockTimeoutMs: 0,
    recordLockTimeoutMs: 0,
    giveUpAfterMs: 0,
    holders: 'select null',
    statements,
  }
  const rest = { basis: null, settings: {}, prepare: [], written: null, later: [] }
  return startRun(by, run, { ...rest, locked, result: 'updated', fills: true, ifRunning: 'wait' }, {})
}

const atMostTwo = expect.toSatisfy((most: number) => most <= 2)

test(
  'a batch whose advancing process is killed (-9) again and again refreshes each view exactly once, in order, at most two at once',
  deep,
  async () => {
    let killed = 0
    let leftRunning = 0
    // Some of the kills have to come while a run is running.
    const goesOn = () => killed < counts.killedAdvancers || leftRunning <= 2
    for (let round = 0; goesOn(); round++) {
      const schema = `killed_${round}`
      await makeGraph(sql, schema, graph, { seconds: 0.15 })
      const batchId = await begin(database, { pattern: `${schema}.*`, concurrency: 2 })
      let next = readyAdvancer(url, batchId)
      for (let alive = true; alive && goesOn(); ) {
        const advancer = await next
        next = readyAdvancer(url, batchId) // meanwhile
        // Until runs were running at a kill, each next one may come later: nobody knows how long a process needs until then.
        alive = await advancer.advanceAndKill(Math.random() * (leftRunning > 2 ? 350 : 1500 + 500 * killed))
        if (alive) killed++
        const running =
          await sql`select from viewkeeper.runs where batch_id = ${batchId} and status = 'running'`
        leftRunning += running.length
      }
      await (await next).advanceAndKill(0)
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
      expect(await accountOf(sql, batchId)).toEqual({
        statuses: eachOnce,
        disorder: [],
        mostAtOnce: atMostTwo,
      })
      for (const view of views) expect(await countExecutions(sql, `${schema}.${view}`)).toBe(1)
    }
  },
)

test(
  'a batch that three calls advance at once refreshes each view exactly once, in order, at most two at once',
  deep,
  async () => {
    await makeGraph(sql, 'crowded', graph, { seconds: 0.05 })
    const batchId = await begin(database, { pattern: 'crowded.*', concurrency: 2 })
    const ended = await Promise.all(Array.from({ length: 3 }, () => advanceToEnd(database, batchId)))
    for (const each of ended) expect(each).toMatchObject({ status: 'success' })
    expect(await accountOf(sql, batchId)).toEqual({ statuses: eachOnce, disorder: [], mostAtOnce: atMostTwo })
  },
)

test(
  'envelopes that are sent in any order are claimed in order, once each, at most two at once',
  deep,
  async () => {
    await makeGraph(sql, 'storm', graph, { seconds: 0.1 })
    const batchId = await begin(database, { pattern: 'storm.*', concurrency: 2 })
    const rows = await sql`
    select definition_id as id, view_name as name from viewkeeper.batch_views where batch_id = ${batchId}`
    const runIds = await Promise.all(
      rows.map(({ id, name }) =>
        writeAttempt(batchId, { id, schema: 'storm', name }, `refresh materialized view storm.${name}`),
      ),
    )
    const isOver = async () =>
      (await sql`select from viewkeeper.runs where batch_id = ${batchId} and finished_at is null`).length ===
      0
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        while (!(await isOver())) {
          for (const runId of runIds.toSorted(() => Math.random() - 0.5)) {
            const envelope = await sendEnvelope(database, runId as number, 60)
            await envelope.answered
            await envelope.leave()
          }
        }
      }),
    )
    expect(await accountOf(sql, batchId)).toEqual({ statuses: eachOnce, disorder: [], mostAtOnce: atMostTwo })
    for (const view of views) expect(await countExecutions(sql, `storm.${view}`)).toBe(1)
    const [locks] = await sql`
    select count(*)::int as held from pg_locks where locktype = 'advisory'
       and database = (select oid from pg_database where datname = current_database())`
    expect(locks?.held).toBe(0)
  },
)

test('a run that its session has left in an error is lost, and the session works on no other', async () => {
  await makeGraph(sql, 'leaves', { a: [], b: [] })
  await sql.unsafe(`
    create materialized view leaves.fails as select 1 / (id - id) as x from (select 1 as id) one with no data;
    create function leaves.refuse() returns trigger language plpgsql as $$ begin raise 'the record is refused'; end $$;
    create trigger refuse before update on viewkeeper.runs for each row
      when (new.error ->> 'sqlstate' = '22012' and new.schema_name = 'leaves') execute function leaves.refuse()`)
  const batchId = await begin(database, { pattern: 'leaves.*', concurrency: 1, retries: 0 })
  await advanceToEnd(database, batchId)
  await sql`drop trigger refuse on viewkeeper.runs`
  const runs = await sql<{ view: string; class: string | null; pid: number }[]>`
    select view_name as view, error ->> 'class' as class, backend_pid as pid from viewkeeper.runs
     where batch_id = ${batchId} order by started_at`
  expect(Object.fromEntries(runs.map(({ view, class: why }) => [view, why]))).toEqual({
    a: null,
    b: null,
    fails: 'RunLost',
  })
  const at = runs.findIndex(({ view }) => view === 'fails')
  expect(at).toBeLessThan(2)
  expect(runs.slice(at + 1).map(({ pid }) => pid)).not.toContain(runs[at]?.pid)
})

test('an attempt that was written but never sent is planned again and sent by the next call', async () => {
  await makeGraph(sql, 'unsent', { a: [], b: ['a'] })
  const batchId = await begin(database, { pattern: 'unsent.*' })
  const [row] = await sql`select id from viewkeeper.definitions where schema_name = 'unsent' and name = 'a'`
  const runId = await writeAttempt(batchId, { id: row?.id, schema: 'unsent', name: 'a' }, 'select 1 / 0')
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ a: ['success'], b: ['success'] })
  expect(await sql`select from viewkeeper.runs where id = ${runId} and status = 'success'`).toHaveLength(1)
})

test('an attempt is written while another one claims its place, and while the batch is being canceled, which ends it', async () => {
  await makeGraph(sql, 'between', { a: [], b: [], c: [] })
  const batchId = await begin(database, { pattern: 'between.*' })
  await database.withConnection(async (by) => {
    const write = async (name: string) => {
      const [view] =
        await sql`select id from viewkeeper.definitions where schema_name = 'between' and name = ${name}`
      return writeAttempt(batchId, { id: view?.id, schema: 'between', name }, 'select 1', by)
    }
    await sql.begin(async (claim) => {
      await claim`select concurrency from viewkeeper.batches where id = ${batchId} for no key update`
      expect(await write('a')).toBeGreaterThan(0)
    })
    await database.withConnection((canceling) =>
      withTransaction(canceling, async (transaction) => {
        await requestBatchCancel(transaction, batchId, 'somebody')
        expect(await write('b')).toBeGreaterThan(0)
      }),
    )
    expect(await write('c')).toBeNull()
  })
  expect(await cancelBatch(batchId, callOn(database))).toMatchObject({ status: 'canceled' })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    a: ['canceled'],
    b: ['canceled'],
    c: ['canceled'],
  })
})

test('a run whose server process is terminated is lost, and its view gets another run', async () => {
  await makeGatedView(sql, 'terminated')
  await sql`create materialized view after_terminated as select id from terminated`
  const batchId = await begin(database, { views: ['terminated', 'after_terminated'], retries: 1 })
  await withGateClosed(sql, 'terminated', async (open) => {
    const ended = advanceToEnd(database, batchId)
    const pid = await untilAtGate(sql, 'terminated')
    await sql`select pg_terminate_backend(${pid})`
    await until('the second attempt stands before the gate', async () => {
      const again = await untilAtGate(sql, 'terminated')
      return again !== pid
    })
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, batchId)).statuses).toEqual({
    terminated: ['failed', 'success'],
    after_terminated: ['success'],
  })
  const [lost] =
    await sql`select error from viewkeeper.runs where batch_id = ${batchId} and status = 'failed'`
  expect(lost?.error).toMatchObject({ class: 'RunLost' })
})

test('a run that was lost while nobody advanced the batch is found by the next call', async () => {
  await makeGatedView(sql, 'orphaned')
  const batchId = await begin(database, { views: ['orphaned'], retries: 1 })
  await withGateClosed(sql, 'orphaned', async () => {
    const pid = await advanceToGate(database, sql, batchId, 'orphaned')
    await endProcess(sql, pid)
  })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  expect((await accountOf(sql, batchId)).statuses).toEqual({ orphaned: ['failed', 'success'] })
})

test('a view whose runs are lost more often than it has retries has failed', async () => {
  await makeGatedView(sql, 'doomed')
  const batchId = await begin(database, { views: ['doomed'], retries: 0 })
  await withGateClosed(sql, 'doomed', async () => {
    const ended = advanceToEnd(database, batchId)
    await sql`select pg_terminate_backend(${await untilAtGate(sql, 'doomed')})`
    expect(await ended).toMatchObject({
      status: 'failed',
      error: { class: 'ViewsFailed', views: ['public.doomed'] },
    })
  })
})
