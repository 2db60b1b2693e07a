import type { Plan } from '../../plan/plan.ts'
import type { Operation, RunStatus, Trigger } from '../../plan/run.ts'
import { mayRetry, type ProblemCode } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'

/** Why a run did not succeed; the same words on the run record, over HTTP and in logs. Holds no row data. */
export interface RunError {
  class: ProblemCode
  message: string
  sqlstate?: string
  detail?: string
  hint?: string
  context?: string
  /** The run that was in the way (AlreadyRunning). */
  runningRunId?: number
}

/** What the run record says of the answer; durations and counts are columns of their own. */
export interface RunResponse {
  strategy?: string
  because?: string
  sql?: string[]
  attempts?: number
}

/** One row of `viewkeeper.runs`, as code reads it. */
export interface Run {
  id: number
  definitionId: number | null
  schema: string
  name: string
  view: string
  batchId: string | null
  operation: Operation
  status: RunStatus
  trigger: Trigger
  requestedBy: string
  attempt: number
  requestedAt: Date
  startedAt: Date | null
  finishedAt: Date | null
  durationMs: number | null
  rowCountBefore: number | null
  rowCountAfter: number | null
  result: string | null
  error: RunError | null
  meta: { request: Record<string, unknown>; response: RunResponse }
}

/** The columns of a Run, for a `select` from `viewkeeper.runs r`. */
export const runColumns = (sql: Sql) => sql`
  r.id, r.definition_id as "definitionId", r.schema_name as schema, r.view_name as name,
  format('%I.%I', r.schema_name, r.view_name) as view, r.batch_id as "batchId", r.operation, r.status, r.trigger,
  r.requested_by as "requestedBy", r.attempt, r.requested_at as "requestedAt", r.started_at as "startedAt",
  r.finished_at as "finishedAt", r.duration_ms as "durationMs", r.row_count_before as "rowCountBefore",
  r.row_count_after as "rowCountAfter", r.result, r.error, r.meta`

/** A run as it is asked for: who wants which operation on which view. */
export interface RunRequest {
  definitionId: number | null
  schema: string
  name: string
  operation: Operation
  trigger: Trigger
  requestedBy: string
  /** Whose idempotency keys these are. */
  caller: string
  idempotencyKey: string | null
  request: Record<string, unknown>
  /** The batch that it is an attempt of. Such a run follows its batch, and has no time of its own to be claimed by. */
  batch?: { id: string; attempt: number } | undefined
}

/** How long a direct run may stay pending before it counts as lost: connecting and claiming take well under a second. */
const claimWithinSeconds = 60

/**
 * Writes the pending row of a run with its plan. Null where a run with the same idempotency key is there already, or
 * the same attempt of a batch, or where the batch does not go on, or `provided` does not hold.
 */
export const startRun = (
  sql: Sql,
  run: RunRequest,
  plan: Plan,
  response: RunResponse,
  provided?: Condition,
): Promise<number | null> => insertRun(sql, run, { status: 'pending', plan, response, error: null }, provided)

/** Gives a run that nobody has claimed another plan. False where it is not pending any more. */
export async function replan(sql: Sql, id: number, plan: Plan, response: RunResponse): Promise<boolean> {
  const { count } = await sql`
    update viewkeeper.runs set plan = ${sql.json(plan as never)}, fills = ${plan.fills}, updated_at = clock_timestamp(),
           meta = jsonb_set(meta, '{response}', ${sql.json(response as never)})
     where id = ${id} and status = 'pending'`
  return count > 0
}

/** How a run ended that never reached the server: refused by a precheck, or with nothing to do. */
export type EndedAtOnce = { status: 'failed'; error: RunError } | { status: 'skipped'; because: string }

/** Records a run that ended without having touched the view. Null where one with its idempotency key is there already. */
export const recordEnded = (sql: Sql, run: RunRequest, end: EndedAtOnce): Promise<number | null> =>
  end.status === 'skipped'
    ? insertRun(sql, run, { status: 'skipped', plan: null, response: { because: end.because }, error: null })
    : insertRun(sql, mayRetry(end.error.class) ? { ...run, idempotencyKey: null } : run, {
        status: 'failed',
        plan: null,
        response: {},
        error: end.error,
      })

/** Something in SQL that holds or does not. */
type Condition = ReturnType<typeof openBatch>

interface NewRun {
  status: 'pending' | 'failed' | 'skipped'
  plan: Plan | null
  response: RunResponse
  error: RunError | null
}

/** Times are the database's: its clock decides what is too late. The batch is kept from ending in this moment. */
async function insertRun(
  sql: Sql,
  run: RunRequest,
  { status, plan, response, error }: NewRun,
  provided: Condition = sql`true`,
): Promise<number | null> {
  const json = (value: unknown) => (value === null ? null : sql.json(value as never))
  const { batch } = run
  const claimBy = status === 'pending' && batch === undefined ? claimWithinSeconds : null
  const [row] = await sql<{ id: number }[]>`
    with place as (${batch === undefined ? sql`select` : openBatch(sql, batch.id)})
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller,
                                 idempotency_key, status, plan, fills, meta, error, claim_by, finished_at, duration_ms,
                                 batch_id, attempt)
    select ${run.definitionId}::integer, ${run.schema}, ${run.name}, ${run.operation}, ${run.trigger}, ${run.requestedBy},
           ${run.caller}, ${run.idempotencyKey}, ${status}, ${json(plan)}::jsonb, ${plan?.fills ?? false},
           ${json({ request: run.request, response })}::jsonb, ${json(error)}::jsonb,
           clock_timestamp() + make_interval(secs => ${claimBy}),
           case ${status} when 'pending' then null else clock_timestamp() end,
           case ${status} when 'pending' then null else 0 end,
           ${batch?.id ?? null}, ${batch?.attempt ?? 1}::integer
      from place where ${provided}
    on conflict do nothing
    returning id`
  return row?.id ?? null
}

/** A batch that goes on, and that nobody ends or cancels before this transaction is over. */
export const openBatch = (sql: Sql, id: string) => sql`
  select from viewkeeper.batches
   where id = ${id} and status in ('pending', 'running') and cancel_requested_at is null for share`

/** The run that this caller's key already stands for; `sameRequest` tells whether it asked for the same. */
export async function findByKey(
  sql: Sql,
  run: Pick<RunRequest, 'trigger' | 'caller' | 'operation' | 'idempotencyKey' | 'request'>,
): Promise<{ id: number; sameRequest: boolean } | null> {
  const [row] = await sql<{ id: number; sameRequest: boolean }[]>`
    select id, meta -> 'request' = ${sql.json(run.request as never)}::jsonb as "sameRequest" from viewkeeper.runs
     where trigger = ${run.trigger} and caller = ${run.caller} and operation = ${run.operation}
       and idempotency_key = ${run.idempotencyKey}`
  return row ?? null
}

/** One run; undefined where there is none with this id. */
export async function readRun(sql: Sql, id: number): Promise<Run | undefined> {
  const [row] = await sql<Run[]>`select ${runColumns(sql)} from viewkeeper.runs r where r.id = ${id}`
  return row
}

/** The status of a run and nothing else: what a caller that waits asks again and again. */
export async function readRunStatus(sql: Sql, id: number): Promise<RunStatus | undefined> {
  const [row] = await sql<{ status: RunStatus }[]>`select status from viewkeeper.runs where id = ${id}`
  return row?.status
}

/** The run that works on a view at this moment. */
export async function findRunningRun(
  sql: Sql,
  { schema, name }: Pick<RunRequest, 'schema' | 'name'>,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where schema_name = ${schema} and view_name = ${name} and status = 'running'`
  return row?.id
}

/** The last run that filled a view, where it ended successfully within these seconds. */
export async function findRecentSuccess(
  sql: Sql,
  definitionId: number,
  withinSeconds: number,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number; recent: boolean }[]>`
    select id, finished_at > clock_timestamp() - make_interval(secs => ${withinSeconds}) as recent from viewkeeper.runs
     where definition_id = ${definitionId} and status = 'success' and fills order by id desc limit 1`
  return row?.recent ? row.id : undefined
}

/** Closes a run that was never claimed, with the reason. Does nothing once the server has claimed it. */
export async function closeUnclaimed(sql: Sql, id: number, error: RunError): Promise<void> {
  await sql`
    update viewkeeper.runs set status = 'failed', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
           duration_ms = 0, error = ${sql.json(error as never)},
           idempotency_key = case when ${mayRetry(error.class)} then null else idempotency_key end
     where id = ${id} and status = 'pending'`
}

/** Leaves out a run that was never claimed. Does nothing once the server has claimed it. */
export async function skipUnclaimed(sql: Sql, id: number, because: string): Promise<void> {
  await sql`
    update viewkeeper.runs set status = 'skipped', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
           duration_ms = 0, meta = jsonb_set(meta, '{response}', ${sql.json({ because })})
     where id = ${id} and status = 'pending'`
}
