import { cancelRun, endPendingAttempt } from '../../run/db/life.ts'
import { openBatch, type RunRequest } from '../../run/db/runs.ts'
import type { Sql } from '../../server/connect.ts'
import type { BatchView } from './batch-views.ts'
import type { Batch } from './batches.ts'

/** A query in SQL. */
type Query = ReturnType<typeof openBatch>

/**
 * The statement that writes the next attempt after each of the runs `ended`, unless that attempt exists already; due `delaySeconds`
 * after the end of that one; null: at once. If only the exchange failed, the shadow is still whole: the attempt begins as built, and has read
 * the next attempts of its parents, which were written before it, because their shadows are the same.
 */
export const writeNextAttempts = (sql: Sql, ended: Query, delaySeconds: number | null) => sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller,
                                 batch_id, attempt, meta, not_before, status, built_at, duration_ms, row_count_before, row_count_after,
                                 as_of, held_back_by, inputs, filled, replaces, checks)
    select r.definition_id, r.schema_name, r.view_name, r.operation, r.trigger, r.requested_by, r.caller, r.batch_id,
           r.attempt + 1, jsonb_set(r.meta, '{response}', '{}'), r.finished_at + make_interval(secs => ${delaySeconds}),
           case when shadow.is_whole then 'built' else 'pending' end,
           case when shadow.is_whole then r.built_at end, case when shadow.is_whole then r.duration_ms end,
           case when shadow.is_whole then r.row_count_before end, case when shadow.is_whole then r.row_count_after end,
           case when shadow.is_whole then r.as_of end, case when shadow.is_whole then r.held_back_by end,
           case when shadow.is_whole then jsonb_set(r.inputs, '{runs}', (
             select coalesce(jsonb_object_agg(read.key, coalesce(to_jsonb(next.id), read.value)), '{}')
               from jsonb_each(r.inputs -> 'runs') read
               left join viewkeeper.runs parent on parent.id = read.value::bigint and parent.batch_id = r.batch_id
               left join viewkeeper.runs next on next.batch_id = r.batch_id and next.definition_id = parent.definition_id
                     and next.attempt = parent.attempt + 1 and next.status = 'built' and next.filled = parent.filled), false) end,
           case when shadow.is_whole then r.filled end, case when shadow.is_whole then r.replaces end, case when shadow.is_whole then r.checks end
      from (${ended}) r
     cross join lateral (select r.built_at is not null and exists (
       select from viewkeeper.batch_groups g
        where g.batch_id = r.batch_id and g.given_up is null and r.definition_id = any (g.members)) as is_whole) shadow
    on conflict do nothing`

/** Writes the attempt after a failed one, unless the batch does not go on. */
export async function insertRetry(
  sql: Sql,
  batchId: string,
  { id }: BatchView,
  { attempt, delaySeconds }: { attempt: number; delaySeconds: number },
): Promise<void> {
  const failed = sql`
      select r.* from place, viewkeeper.runs r
       where r.batch_id = ${batchId} and r.definition_id = ${id} and r.attempt = ${attempt}::integer - 1`
  await sql`
    with place as (${openBatch(sql, batchId)})
    ${writeNextAttempts(sql, failed, delaySeconds)}`
}

/** The insert of attempts that end before anybody has made them. `ended` selects their views: (id, attempt, error). */
const writeEnded = (sql: Sql, batchId: string, status: 'skipped' | 'canceled', ended: Query) => sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, batch_id, attempt,
                                 status, finished_at, duration_ms, error)
    select v.definition_id, v.schema_name, v.view_name, 'refresh', 'batch', b.requested_by, b.id, e.attempt, ${status},
           clock_timestamp(), 0, e.error
      from (${ended}) e(id, attempt, error)
      join viewkeeper.batch_views v on v.batch_id = ${batchId} and v.definition_id = e.id
      join viewkeeper.batches b on b.id = v.batch_id`

/**
 * Records as skipped, with the reason, the views that can never have their turn. Leaves out views whose attempt is more than
 * pending.
 */
export async function insertSkipped(
  sql: Sql,
  batchId: string,
  skipped: { id: number; attempt: number; message: string }[],
): Promise<void> {
  const ended = sql`
      select s.id, s.attempt, jsonb_build_object('class', 'UpstreamFailed', 'message', s.message)
        from place, jsonb_to_recordset(${sql.json(skipped)}) s(id integer, attempt integer, message text)`
  await sql`
    with place as (${openBatch(sql, batchId)})
    ${writeEnded(sql, batchId, 'skipped', ended)}
    on conflict (batch_id, definition_id, attempt) where batch_id is not null ${endPendingAttempt(sql)}`
}

/** Cancels what is left of a batch that is to be canceled: its open runs, and its views without a run. */
export async function cancelBatchRuns(sql: Sql, batchId: string): Promise<void> {
  const open = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where batch_id = ${batchId}
       and (status in ('pending', 'built') or status = 'running' and group_run_id is null)`
  for (const { id } of open) await cancelRun(sql, id, null)
  const left = sql`
      select v.definition_id, 1, jsonb_build_object('class', 'Canceled', 'message', 'The batch was canceled before the view had its turn.')
        from viewkeeper.batch_views v
       where v.batch_id = ${batchId}
         and not exists (select from viewkeeper.runs r where r.batch_id = v.batch_id and r.definition_id = v.definition_id)`
  await sql`${writeEnded(sql, batchId, 'canceled', left)} on conflict do nothing`
}

/** The request for the first attempt at a view of a batch. */
export const requestOf = (batch: Batch, { id, schema, name, view }: BatchView): RunRequest => ({
  definitionId: id,
  schema,
  name,
  operation: 'refresh',
  trigger: 'batch',
  requestedBy: batch.requestedBy,
  caller: '',
  idempotencyKey: null,
  request: {
    view,
    ...(batch.strategy === null ? {} : { strategy: batch.strategy }),
    ...(batch.request.withoutChecks === true ? { withoutChecks: true } : {}),
  },
  batch: { id: batch.id, attempt: 1 },
})
