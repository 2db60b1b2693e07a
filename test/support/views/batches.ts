import { type Advanced, advance } from '../../../src/batch/advance.ts'
import { type BatchRequest, startBatch } from '../../../src/batch/start.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { mayRetry, Problem } from '../../../src/words/problem.ts'
import { callOn } from '../servers/database.ts'
import { hangsMs, until } from '../waiting/until.ts'
import { findAtGate } from './slow-view.ts'

interface GraphOptions {
  /** How long each refresh takes. */
  seconds?: number
}

/**
 * Makes a schema with a view for each key of `graph`; the view reads the views in its list. Each view has a
 * sequence that counts every execution of its query, also those that were rolled back.
 */
export async function makeGraph(
  sql: Sql,
  schema: string,
  graph: Record<string, string[]>,
  { seconds = 0 }: GraphOptions = {},
): Promise<void> {
  await sql.unsafe(`create schema ${schema}`)
  for (const [view, reads] of Object.entries(graph)) {
    const columns = [
      `nextval('${schema}.${view}_executions') as id`,
      `(select pg_sleep(${seconds}))::text as slept`,
      ...reads.map((read, at) => `(select max(id) from ${schema}.${read}) as read_${at}`),
    ]
    await sql.unsafe(`
      create sequence ${schema}.${view}_executions;
      create materialized view ${schema}.${view} as select ${columns.join(', ')} with no data`)
  }
}

/** Makes function `not_yet()`, which fails so that waiting may mend it. */
export const makeFailing = (sql: Sql): Promise<unknown> =>
  sql`create or replace function not_yet() returns integer language plpgsql as $$ begin raise exception 'not yet'; end $$`

/** How often the query of a view was executed, successfully or not. */
export async function countExecutions(sql: Sql, view: string): Promise<number> {
  const [row] = await sql.unsafe(
    `select case when is_called then last_value else 0 end::int as count from ${view}_executions`,
  )
  return row?.count
}

/**
 * From now on views that nobody has authored are retried at once, however often their runs are lost: by default, a second retry
 * comes after five minutes.
 */
export const retryAtOnce = (sql: Sql): Promise<unknown> =>
  sql`alter table viewkeeper.definitions alter retry_delay_seconds set default 0`

/** Starts a batch, and returns its id. */
export async function begin(database: Database, request: BatchRequest): Promise<string> {
  const { batchId } = await startBatch(request, callOn(database))
  return batchId
}

/** Advances a batch until it has ended, in as many calls as needed. */
export async function advanceToEnd(
  database: Database,
  batchId: string,
  callMs = hangsMs,
): Promise<Advanced & { done: true }> {
  for (;;) {
    const advanced = await advance(batchId, { database, until: Date.now() + callMs })
    if (advanced.done) return advanced
  }
}

/** The same, as the state machine does it: a call that fails with an error that may pass is made again. */
export const advanceThroughErrors = (
  database: Database,
  batchId: string,
): Promise<Advanced & { done: true }> =>
  until(`batch ${batchId} has ended`, () =>
    advanceToEnd(database, batchId).catch((error) => {
      if (!(error instanceof Problem && mayRetry(error.code))) throw error
      return undefined
    }),
  )

/**
 * Advances a batch by calls that end, until one of them leaves a refresh before the gate of a view, and returns the process of
 * that refresh. A slow machine needs more than one call, or a longer one.
 */
export function advanceToGate(database: Database, sql: Sql, batchId: string, name: string): Promise<number> {
  let seconds = 0
  return until(`the refresh of ${name} stands before its gate when a call ends`, async () => {
    const { done } = await advance(batchId, { database, until: Date.now() + ++seconds * 1000 })
    if (done) throw new Error(`batch ${batchId} has ended before ${name} was refreshed`)
    return findAtGate(sql, name)
  })
}

/** What the runs of a batch tell, whatever happened on the way. */
export interface Account {
  /** The statuses of each view's attempts, in their order. */
  statuses: Record<string, string[]>
  /** Pairs of parent and child whose runs overlapped or came in the wrong order. */
  disorder: string[]
  /** The most runs that were running at the same time. */
  mostAtOnce: number
}

export async function accountOf(sql: Sql, batchId: string): Promise<Account> {
  const runs = await sql`
    select definition_id as id, view_name as view, status, attempt, extract(epoch from started_at)::float8 as started,
           extract(epoch from coalesce(built_at, finished_at))::float8 as finished
      from viewkeeper.runs where batch_id = ${batchId} order by view_name, attempt`
  const views =
    await sql`select definition_id as id, parents from viewkeeper.batch_views where batch_id = ${batchId}`
  const succeeded = new Map(runs.filter(({ status }) => status === 'success').map((run) => [run.id, run]))
  const disorder = views.flatMap(({ id, parents }) =>
    parents.flatMap((parent: number) => {
      const [child, read] = [succeeded.get(id), succeeded.get(parent)]
      return child && read && !(read.finished <= child.started) ? [`${read.view} > ${child.view}`] : []
    }),
  )
  const moments = runs
    .filter(({ started }) => started !== null)
    .flatMap(({ started, finished }) => [
      { at: started, change: 1 },
      { at: finished, change: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.change - b.change)
  let running = 0
  let mostAtOnce = 0
  for (const { change } of moments) {
    running += change
    mostAtOnce = Math.max(mostAtOnce, running)
  }
  const statuses = Object.groupBy(runs, ({ view }) => view)
  return {
    statuses: Object.fromEntries(
      Object.entries(statuses).map(([view, all]) => [view, (all ?? []).map(({ status }) => status)]),
    ),
    disorder,
    mostAtOnce,
  }
}
