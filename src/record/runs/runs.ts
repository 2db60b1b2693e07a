import type { MadeCheck } from '../../catalog/plan/checks.ts'
import type { Sql } from '../../server/database.ts'
import type { RunPlan } from '../../sql/run-plan.ts'
import { mayRetry } from '../../words/problem.ts'
import type {
  Computed,
  Computes,
  Operation,
  RunError,
  RunStatus,
  Trigger,
  Unchanged,
} from '../../words/run.ts'
import { endFollowers, isOpenBatch } from './life.ts'

/** The part of the answer that `runs.meta` keeps; durations and row counts have their own columns. */
export interface RunResponse {
  strategy?: string
  because?: string
  sql?: string[]
  /** The tries of the run to get its locks. */
  attempts?: number
  /** How long the run locked readers out, its wait for the lock included; absent: it locked none out. */
  lockedMs?: number
  /** How long it took to compute and write the rows. */
  fillMs?: number
  /** The other views that were refreshed together with the view, and their runs. */
  group?: { view: string; runId: number }[]
  /** What the refresh of an incremental table computes. Such a run has no `because`: see `withWords`. */
  computes?: Computes
  /** What it has found out about that, besides what the next refresh reads. */
  slices?: Computed
}

/** A response with what it says in words, which are loaded where they are needed. */
export const withWords = async (response: RunResponse): Promise<RunResponse> =>
  response.computes === undefined
    ? response
    : {
        ...response,
        because: (await import('../../words/computes.ts')).wordsOfComputes(
          response.computes,
          response.slices,
        ),
      }

/** One row of `viewkeeper.runs`, as code reads it. */
export interface RunRow {
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
  /** The run may not start before this moment; null if it may start at once. */
  notBefore: Date | null
  startedAt: Date | null
  finishedAt: Date | null
  durationMs: number | null
  rowCountBefore: number | null
  rowCountAfter: number | null
  /** Null: no check was made, or the run did not succeed. */
  checks: MadeCheck[] | null
  result: string | null
  error: RunError | null
  meta: { request: Record<string, unknown>; response: RunResponse }
}

/** The columns of a Run, for a `select` from `viewkeeper.runs r`. */
export const runColumns = (sql: Sql) => sql`
  r.id, r.definition_id as "definitionId", r.schema_name as schema, r.view_name as name,
  format('%I.%I', r.schema_name, r.view_name) as view, r.batch_id as "batchId", r.operation, r.status, r.trigger,
  r.requested_by as "requestedBy", r.attempt, r.requested_at as "requestedAt", r.not_before as "notBefore", r.started_at as "startedAt",
  r.finished_at as "finishedAt", r.duration_ms as "durationMs", r.row_count_before as "rowCountBefore",
  r.row_count_after as "rowCountAfter", r.checks, r.result, r.error, r.meta`

/** A run as it is requested: who requests which operation on which view. */
export interface RunRequest {
  definitionId: number | null
  schema: string
  name: string
  operation: Operation
  trigger: Trigger
  requestedBy: string
  /** The owner of the idempotency key. */
  caller: string
  idempotencyKey: string | null
  request: Record<string, unknown>
  /** By what the sender finds the run if the answer to its record is lost. */
  sentAs?: string
  /** The batch of the run. Such a run has no `claim_by`: it may stay pending while its batch goes on. */
  batch?: { id: string; attempt: number } | undefined
}

/** The id of an envelope that has no run to claim: ids begin at 1. */
export const noRun = 0

/** How long a direct run may stay pending before it is lost. To connect and claim takes under a second. */
const claimWithinSeconds = 60

/**
 * Writes the pending row of a run with its plan, and returns its id. Null if a run has the same idempotency
 * key, or is the same attempt in the batch; if the batch does not go on; or if `provided` does not hold.
 */
export const startRun = (
  sql: Sql,
  run: RunRequest,
  plan: RunPlan,
  response: RunResponse,
  provided?: Condition,
): Promise<number | null> => insertRun(sql, run, pendingRun(plan, response), provided)

/**
 * As startRun. The statement also makes the session that of the run, by `take`, which gets an expression for the run's id and
 * returns columns of a `select`. It is sent at once. Its commit waits for no disk: the claim, which follows in the same message
 * and commits before any work, writes the WAL of both.
 */
export async function startRunHere(
  sql: Sql,
  run: RunRequest,
  { plan, response }: { plan: RunPlan; response: RunResponse },
  take: (id: string) => string,
  provided?: Condition,
): Promise<number | null> {
  const [row] = await sql<[{ id: number | null }]>`
    with ${insertion(sql, run, pendingRun(plan, response), provided)}
    select made.id, pg_catalog.set_config('synchronous_commit', 'off', true),
           ${sql.unsafe(take(`coalesce(made.id, ${noRun})`))} from (select) one left join made on true`.execute()
  return row.id
}

/** A plan, or what has several, as an expression for jsonb. What repeats itself, as swaps describe views, sends each line of its statements once. */
export function sentOnce(sql: Sql, plan: object) {
  const lines = JSON.stringify(plan).split(/(?<=\\n)/)
  const places = new Map([...new Set(lines)].map((line, at) => [line, at + 1]))
  if (2 * lines.length < 3 * places.size) return sql.json(plan as never)
  // JSON writes this character as an escape.
  const separator = '\x01'
  return sql`(
    select string_agg(line[at::integer], '' order by n)::jsonb from string_to_array(${[...places.keys()].join(separator)}, ${separator}) line,
           string_to_table(${lines.map((line) => places.get(line)).join()}, ',') with ordinality as x(at, n))`
}

const pendingRun = (plan: RunPlan, response: RunResponse): NewRun => ({
  status: 'pending',
  plan,
  response,
  error: null,
})

/**
 * Gives a pending run another plan. The runs of other members belong to the plan before, and end. False if the run is not pending
 * any more.
 */
export async function replan(sql: Sql, id: number, plan: RunPlan, response: RunResponse): Promise<boolean> {
  const { count } = await sql`
    with gone as (${endFollowers(sql, id)}),
    made as (
      update viewkeeper.runs set plan = ${sentOnce(sql, plan)}, fills = ${plan.fills}, updated_at = clock_timestamp(),
             claim_by = case when claim_by is not null then clock_timestamp() + make_interval(secs => ${claimWithinSeconds}) end,
             meta = jsonb_set(meta, '{response}', ${sql.json(response as never)})
       where id = ${id} and status = 'pending'
      returning *)
    ${followersOf(sql, plan)}
    select from made`
  return count > 0
}

/** The part of a statement that makes the pending runs of the other members of a group; `made` is the run of the first. */
const followersOf = (sql: Sql, { members }: Pick<RunPlan, 'members'>) =>
  members === undefined
    ? sql``
    : sql`,
    followers as (
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller, claim_by,
                                   group_run_id, fills, meta)
      select (m ->> 'definitionId')::integer, m ->> 'schema', m ->> 'name', l.operation, l.trigger, l.requested_by, l.caller,
             l.claim_by, l.id, f.fills, jsonb_build_object('request', jsonb_strip_nulls(jsonb_build_object(
               'withoutChecks', l.meta #> '{request,withoutChecks}')), 'response', jsonb_build_object('strategy', 'swap',
               'because', format('it reads %I.%I, and was %s together with it (run %s)', l.schema_name, l.view_name,
               case when f.fills then 'refreshed' else 'exchanged without data' end, l.id)))
        from made l, jsonb_array_elements(l.plan -> 'members') m, coalesce((m ->> 'fills')::boolean, true) f(fills))`

/** How a run ended without being sent to the server: its plan was refused, or it had nothing to do. */
export type EndedAtOnce =
  | { status: 'failed' | 'skipped'; error: RunError }
  | { status: 'skipped'; because: string; unchanged?: Unchanged | undefined }

/** Records a run that ended without touching the view, and returns its id, or null as startRun does. */
export const recordEnded = (sql: Sql, run: RunRequest, end: EndedAtOnce): Promise<number | null> =>
  'because' in end
    ? insertRun(sql, run, {
        status: 'skipped',
        plan: null,
        response: { because: end.because },
        error: null,
        unchanged: end.unchanged,
      })
    : insertRun(sql, mayRetry(end.error.class) ? { ...run, idempotencyKey: null } : run, {
        status: end.status,
        plan: null,
        response: {},
        error: end.error,
      })

/** A condition in SQL. */
export type Condition = ReturnType<typeof openBatch>

interface NewRun {
  status: 'pending' | 'failed' | 'skipped'
  plan: RunPlan | null
  response: RunResponse
  error: RunError | null
  unchanged?: Unchanged | undefined
}

async function insertRun(
  sql: Sql,
  run: RunRequest,
  made: NewRun,
  provided?: Condition,
): Promise<number | null> {
  const [row] = await sql<{ id: number }[]>`with ${insertion(sql, run, made, provided)} select id from made`
  return row?.id ?? null
}

/**
 * The parts of a statement that make a run: `made`. The database's clock gives all times and decides what is too late. A lock keeps
 * the batch from ending.
 */
function insertion(
  sql: Sql,
  run: RunRequest,
  { status, plan, response, error, unchanged }: NewRun,
  provided: Condition = sql`true`,
) {
  const json = (value: unknown) => (value === null ? null : sql.json(value as never))
  const { batch } = run
  const claimBy = status === 'pending' && batch === undefined ? claimWithinSeconds : null
  return sql`
    place as (${batch === undefined ? sql`select` : openBatch(sql, batch.id)}),
    made as (
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller,
                                 idempotency_key, status, plan, fills, meta, error, claim_by, finished_at, duration_ms,
                                 batch_id, attempt, as_of, held_back_by)
    select ${run.definitionId}::integer, ${run.schema}, ${run.name}, ${run.operation}, ${run.trigger}, ${run.requestedBy},
           ${run.caller}, ${run.idempotencyKey}, ${status}, ${plan === null ? null : sentOnce(sql, plan)}::jsonb, ${plan?.fills ?? false},
           ${json({ request: run.request, response, sentAs: run.sentAs })}::jsonb, ${json(error)}::jsonb,
           clock_timestamp() + make_interval(secs => ${claimBy}),
           case ${status} when 'pending' then null else clock_timestamp() end,
           case ${status} when 'pending' then null else 0 end,
           ${batch?.id ?? null}, ${batch?.attempt ?? 1}::integer,
           ${unchanged?.asOf ?? null}::text::timestamptz, ${unchanged?.heldBackBy ?? null}
      from place where ${provided}
    on conflict do nothing
    returning *)
    ${followersOf(sql, plan ?? {})}`
}

/**
 * Selects a batch if it goes on, and locks it: nobody ends it before this transaction is over. Somebody may cancel it meanwhile, and
 * then cancels what the transaction has made; claims go on, which lock the batch to count one by one.
 */
export const openBatch = (sql: Sql, id: string) => sql`
  select from viewkeeper.batches b
   where b.id = ${id} and ${sql.unsafe(isOpenBatch)} and b.cancel_requested_at is null for key share`

/** What a request may make, by its id. */
export interface Made {
  run: number
  batch: string
}

/** A request of a run or a batch, which has a key of its caller's own. */
export type Keyed = Pick<RunRequest, 'trigger' | 'caller' | 'idempotencyKey' | 'request'> &
  Partial<Pick<RunRequest, 'operation'>>

/** The run or the batch that has this caller's key already; `sameRequest` tells whether its request was the same. */
export async function findByKey<Kind extends keyof Made>(
  sql: Sql,
  kind: Kind,
  { trigger, caller, operation, idempotencyKey, request }: Keyed,
): Promise<{ id: Made[Kind]; sameRequest: boolean } | null> {
  const [table, made] = kind === 'run' ? ['runs', "meta -> 'request'"] : ['batches', 'request']
  const [row] = await sql<{ id: Made[Kind]; sameRequest: boolean }[]>`
    select id, ${sql.unsafe(made)} = ${sql.json(request as never)}::jsonb as "sameRequest" from viewkeeper.${sql.unsafe(table)}
     where trigger = ${trigger} and caller = ${caller} and idempotency_key = ${idempotencyKey}
       and ${operation === undefined ? sql`true` : sql`operation = ${operation}`}`
  return row ?? null
}

/** One run; undefined if no run has this id. */
export async function readRun(sql: Sql, id: number): Promise<RunRow | undefined> {
  const [row] = await sql<RunRow[]>`select ${runColumns(sql)} from viewkeeper.runs r where r.id = ${id}`
  return row
}

/** The run whose envelope this session was sent last. The statement is sent at once. */
export async function readSentRun(sql: Sql): Promise<RunRow | undefined> {
  const [row] = await sql<RunRow[]>`
    select ${runColumns(sql)} from viewkeeper.runs r where r.id = current_setting('viewkeeper.run')::int8`.execute()
  return row
}

/** Only the status of a run: a caller that waits reads it again and again. */
export async function readRunStatus(sql: Sql, id: number): Promise<RunStatus | undefined> {
  const [row] = await sql<{ status: RunStatus }[]>`select status from viewkeeper.runs where id = ${id}`
  return row?.status
}

/** Another run may have the idempotency key of this one, which was not needed. */
export async function giveKeyBack(sql: Sql, id: number): Promise<void> {
  await sql`update viewkeeper.runs set idempotency_key = null where id = ${id} and status = 'skipped'`
}

/** Whether another run has exchanged or made a view while this one, which has ended, was working. */
export async function hasExchangedMeanwhile(sql: Sql, id: number): Promise<boolean> {
  const rows = await sql`
    select from viewkeeper.runs r join viewkeeper.runs o on o.finished_at between r.started_at and r.finished_at and o.status = 'success'
     where r.id = ${id} and r.id not in (o.id, coalesce(o.group_run_id, 0))
       and (o.operation <> 'refresh' or o.meta #>> '{response,strategy}' = 'swap')
       and o.id > r.id - 10000 limit 1`
  return rows.length > 0
}
