import type { Sql } from '../../server/database.ts'
import type { RunPlan } from '../../sql/run-plan.ts'
import { Problem } from '../../words/problem.ts'
import { isEnded, type RunStatus } from '../../words/run.ts'
import { type DefinitionDefaults, defaultsColumns } from '../definitions/definitions.ts'
import type { LatestRun } from '../plan/batch.ts'
import { cancelRun } from '../runs/cancel.ts'
import { isUnneeded } from '../runs/failing.ts'
import { mostOfText } from '../runs/history.ts'
import { hasStatus, type Transition } from '../runs/life.ts'
import { openBatch, type RunRequest, sentOnce } from '../runs/runs.ts'
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

/** One attempt at a view of a batch. */
export interface BatchRun {
  definitionId: number
  runId: number
  status: RunStatus
  attempt: number
  /** The attempt may not start before this moment; null if it may start at once. */
  notBefore: Date | null
  startedAt: Date | null
  finishedAt: Date | null
  elapsedMs: number | null
  /** While the attempt is running: its phase, as in a run's progress; null before the first. */
  phase: string | null
  /** How long the attempt still has to wait for its `notBefore`. */
  waitMs: number
  /** The class, SQLSTATE and message of the attempt's error; of a skipped attempt, the reason. */
  class: string | null
  sqlstate: string | null
  message: string | null
}

/** The attempts of a batch, ordered by their number. */
export const readBatchRuns = (sql: Sql, batchId: string): Promise<BatchRun[]> => sql<BatchRun[]>`
    select r.definition_id as "definitionId", r.id as "runId", r.status, r.attempt, r.not_before as "notBefore",
           r.started_at as "startedAt", r.finished_at as "finishedAt",
           (extract(epoch from coalesce(r.finished_at, clock_timestamp()) - r.started_at) * 1000)::int8 as "elapsedMs",
           coalesce(greatest(0, extract(epoch from r.not_before - clock_timestamp()) * 1000), 0)::int8 as "waitMs",
           nullif(split_part(a.application_name, ' ', 4), '') as phase, r.error ->> 'class' as class,
           r.error ->> 'sqlstate' as sqlstate,
           case when r.status in ('failed', 'canceled', 'skipped')
             then left(coalesce(r.error ->> 'message', r.meta #>> '{response,because}'), ${mostOfText}) end as message
      from viewkeeper.runs r
      left join pg_catalog.pg_stat_activity a on r.status = 'running' and a.pid = r.backend_pid
       and a.application_name like format('viewkeeper run %s %%', coalesce(r.group_run_id, r.id))
     where r.batch_id = ${batchId} order by r.attempt`

/** The latest runs of a batch, by the ids of their definitions. */
export interface LatestRuns {
  latest: Map<number, LatestRun>
  /** Reads the runs that were open, and new ones. */
  refresh(): Promise<void>
  /** Reads all runs, also one with a lower id that another call has committed late. */
  reload(): Promise<void>
}

/** Follows the latest runs of a batch. None is known before the first `refresh` or `reload`. */
export function followLatestRuns(sql: Sql, batchId: string): LatestRuns {
  const latest = new Map<number, LatestRun>()
  let newest = 0
  const note = (rows: ReadRun[]) => {
    for (const { definitionId, ...run } of rows) {
      newest = Math.max(newest, run.runId)
      if (definitionId === null) {
        if ([...latest.values()].some(({ runId }) => runId === run.runId)) throw definitionDeleted(run.runId)
        continue
      }
      if (run.attempt >= (latest.get(definitionId)?.attempt ?? 0)) latest.set(definitionId, run)
    }
  }
  return {
    latest,
    reload: async () => note(await readRuns(sql, batchId, null)),
    async refresh() {
      const open = [...latest.values()].filter(({ status }) => !isEnded(status))
      note(await readRuns(sql, batchId, { newest, open: open.map(({ runId }) => runId) }))
    },
  }
}

/** The views of the batch are others by now, so its advancer has to begin anew. */
const definitionDeleted = (runId: number): Problem =>
  new Problem(
    'CatalogChanged',
    `Somebody has deleted the definition of a view of the batch, whose run was ${runId}: try again.`,
    { runId },
  )

type ReadRun = LatestRun & { definitionId: number | null }

const readRuns = (sql: Sql, batchId: string, since: { newest: number; open: number[] } | null) => sql<
  ReadRun[]
>`
    select r.definition_id as "definitionId", r.id as "runId", r.status, r.attempt, r.error ->> 'class' as class,
           r.error ->> 'sqlstate' as sqlstate, r.not_before is null or r.not_before <= clock_timestamp() as due,
           r.group_run_id is not null as follows, r.built_at is not null as built,
           ${sql.unsafe(isUnneeded('r'))} as unneeded,
           r.status = 'running' and viewkeeper.has_waited(r.backend_pid, r.backend_start) as waits
      from viewkeeper.runs r
     where r.batch_id = ${batchId} and ${
       since === null
         ? sql`true`
         : sql`(r.id > ${since.newest} or r.id in (
             select value::int8 from jsonb_array_elements_text(${sql.json(since.open)})))`
     }`

/** What a view's plan in a batch depends on besides the catalog. */
export interface PlanBasis extends DefinitionDefaults {
  /** Whether everything scheduled is paused. */
  allPaused: boolean
  /** The view's running run, in the batch or not; null if there is none. */
  runningRunId: number | null
  /** Whether a run outside the batch has refreshed the view that began after the batch was requested. */
  refreshedSince: boolean
}

/** What of a batch tells which runs began after it was requested. */
type Since = Pick<Batch, 'id' | 'requestedAt'>

const refreshedSince = (sql: Sql, { id, requestedAt }: Since) => sql`
  coalesce((select o.started_at >= ${requestedAt} and o.batch_id is distinct from ${id} from viewkeeper.runs o
             where o.definition_id = d.id and o.status = 'success' and o.fills order by o.id desc limit 1), false)`

/** Reads the basis; undefined if the definition does not exist any more. */
export const readPlanBasis = async (
  sql: Sql,
  batch: Since,
  view: Pick<BatchView, 'id' | 'schema' | 'name'>,
): Promise<PlanBasis | undefined> => (await readPlanBases(sql, batch, [view])).get(view.id)

/** The same of several views, by their ids. */
export async function readPlanBases(
  sql: Sql,
  batch: Since,
  views: Pick<BatchView, 'id' | 'schema' | 'name'>[],
): Promise<Map<number, PlanBasis>> {
  const asked = views.map(({ id, schema, name }) => ({ id, schema, name }))
  const rows = await sql<PlanBasis[]>`
    select ${sql.unsafe(defaultsColumns)}, ${refreshedSince(sql, batch)} as "refreshedSince",
           exists (select from viewkeeper.switches where key = 'paused') as "allPaused",
           (select r.id from viewkeeper.runs r
             where r.schema_name = x.schema and r.view_name = x.name and r.status = 'running') as "runningRunId"
      from jsonb_to_recordset(${sql.json(asked)}) x(id integer, schema text, name text)
      join viewkeeper.definitions d on d.id = x.id`
  return new Map(rows.map((row) => [row.id, row]))
}

/** Those of these views of which a refresh may change nothing: `readUnchanged` has an answer. */
export async function findUnchangedAmong(sql: Sql, definitionIds: number[]): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`
    select id from (select value::integer as id from jsonb_array_elements_text(${sql.json(definitionIds)})) d
     where viewkeeper.unchanged(id) is not null`
  return new Set(rows.map(({ id }) => id))
}

/** What is written of a planned attempt at a view. `pending`: its run, if there is one already. */
export interface PlannedAttempt {
  id: number
  pending: number | null
  plan: RunPlan
  meta: object
}

/**
 * Writes the pending rows of several views of a batch with their plans, or the plans into the rows that are there. Returns the ids of
 * the runs by those of the views; without a view whose attempt another call has made or claimed, or whose run others follow.
 */
export async function recordAttempts(
  sql: Sql,
  batchId: string,
  attempts: PlannedAttempt[],
): Promise<Map<number, number>> {
  const rows = await sql<{ id: number; runId: number }[]>`
    with place as (${openBatch(sql, batchId)}),
    planned as materialized (
      select p.* from place, jsonb_to_recordset(${sentOnce(sql, attempts)}::jsonb) p(id integer, pending int8, plan jsonb, meta jsonb)),
    again as (
      update viewkeeper.runs r set plan = p.plan, fills = (p.plan ->> 'fills')::boolean, updated_at = clock_timestamp(),
             meta = jsonb_set(r.meta, '{response}', p.meta -> 'response')
        from planned p
       where r.id = p.pending and r.status = 'pending' and not exists (select from viewkeeper.runs f where f.group_run_id = r.id)
      returning r.definition_id, r.id),
    made as (
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, batch_id, plan, fills, meta)
      select v.definition_id, v.schema_name, v.view_name, 'refresh', 'batch', b.requested_by, b.id, p.plan, (p.plan ->> 'fills')::boolean, p.meta
        from planned p
        join viewkeeper.batch_views v on v.batch_id = ${batchId} and v.definition_id = p.id
        join viewkeeper.batches b on b.id = v.batch_id
       where p.pending is null
      on conflict do nothing
      returning definition_id, id)
    select definition_id as id, id as "runId" from again union all select definition_id, id from made`
  return new Map(rows.map(({ id, runId }) => [id, runId]))
}

/** An attempt in a batch ends because a view that its view reads has failed for good. */
export const missedTurn: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'the batch goes on',
}

/** For an insert of the ended attempt, `on conflict`: ends the attempt that is there. */
const endPendingAttempt = (sql: Sql) => sql`
  do update set status = 'skipped', plan = null, finished_at = excluded.finished_at, updated_at = excluded.finished_at,
                duration_ms = 0, error = excluded.error
     where ${sql.unsafe(hasStatus(missedTurn.from, 'runs'))}`
