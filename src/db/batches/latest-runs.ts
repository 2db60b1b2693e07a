import type { LatestRun } from '../../plan/batches/next.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { cancelRun } from '../runs/cancel.ts'
import { openBatch } from '../runs/runs.ts'
import type { Sql } from '../server/connect.ts'
import type { DefinitionDefaults } from '../views/definitions.ts'
import type { BatchView } from './batch-views.ts'

/** The latest attempts of a batch, by the ids of the definitions, kept up to date. */
export interface LatestRuns {
  latest: Map<number, LatestRun>
  /** Looks at those that were open, and at new ones. */
  refresh(): Promise<void>
  /** Looks at all, also at what somebody else has written out of turn. */
  reload(): Promise<void>
}

/** Follows the attempts of a batch. None is known before the first look. */
export function followLatestRuns(sql: Sql, batchId: string): LatestRuns {
  const latest = new Map<number, LatestRun>()
  let newest = 0
  const note = (rows: (LatestRun & { definitionId: number })[]) => {
    for (const { definitionId, ...attempt } of rows) {
      newest = Math.max(newest, attempt.runId)
      if (attempt.attempt >= (latest.get(definitionId)?.attempt ?? 0)) latest.set(definitionId, attempt)
    }
  }
  return {
    latest,
    reload: async () => note(await readRuns(sql, batchId, null)),
    async refresh() {
      const open = [...latest.values()].filter(({ status }) => status === 'pending' || status === 'running')
      note(await readRuns(sql, batchId, { newest, open: open.map(({ runId }) => runId) }))
    },
  }
}

const readRuns = (sql: Sql, batchId: string, since: { newest: number; open: number[] } | null) => sql<
  (LatestRun & { definitionId: number })[]
>`
    select r.definition_id as "definitionId", r.id as "runId", r.status, r.attempt, r.error ->> 'class' as class,
           r.not_before is null or r.not_before <= clock_timestamp() as due
      from viewkeeper.runs r
     where r.batch_id = ${batchId} and ${
       since === null
         ? sql`true`
         : sql`(r.id > ${since.newest} or r.id in (
             select value::int8 from jsonb_array_elements_text(${sql.json(since.open)})))`
     }`

/** What an attempt at a view needs to know besides the catalog. */
export interface PlanBasis extends DefinitionDefaults {
  /** Whether everything scheduled is paused. */
  allPaused: boolean
  /** A run of the view that is running, whoever asked for it; null where there is none. */
  runningRunId: number | null
}

/** Reads that; undefined where the definition is not there any more. */
export async function readPlanBasis(
  sql: Sql,
  { id, schema, name }: BatchView,
): Promise<PlanBasis | undefined> {
  const [row] = await sql<PlanBasis[]>`
    select d.id, d.refresh_strategy as strategy, d.row_count_strategy as "rowCountStrategy",
           d.timeout_seconds as "timeoutSeconds", d.settings, d.paused_at is not null as paused,
           exists (select from viewkeeper.switches where key = 'paused') as "allPaused",
           (select r.id from viewkeeper.runs r
             where r.schema_name = ${schema} and r.view_name = ${name} and r.status = 'running') as "runningRunId"
      from viewkeeper.definitions d where d.id = ${id}`
  return row
}

/**
 * Whether a view may be refreshed as it was planned on this basis and these facts: nothing is paused, and it was not
 * defined otherwise, exchanged or started since. Which indexes it has is not looked at.
 */
export const basisHolds = (
  sql: Sql,
  { id, schema, name }: BatchView,
  { strategy, rowCountStrategy, timeoutSeconds, settings }: PlanBasis,
  { oid, populated }: ViewFacts,
) => sql`
  exists (
    select from viewkeeper.definitions d, pg_catalog.pg_class c
     where d.id = ${id} and d.paused_at is null and d.refresh_strategy = ${strategy}
       and d.row_count_strategy = ${rowCountStrategy} and d.timeout_seconds = ${timeoutSeconds}
       and d.settings = ${sql.json(settings as never)}::jsonb
       and not exists (select from viewkeeper.switches where key = 'paused')
       and c.oid = ${oid} and c.relname = ${name} and c.relnamespace = to_regnamespace(quote_ident(${schema}))
       and c.relispopulated = ${populated}
       and not exists (select from viewkeeper.runs r
                        where r.schema_name = ${schema} and r.view_name = ${name} and r.status = 'running'))`

/** Has a failed attempt followed by another, so long after its end. False where that is there already, or cannot be. */
export async function insertRetry(
  sql: Sql,
  batchId: string,
  { id }: BatchView,
  { attempt, delaySeconds }: { attempt: number; delaySeconds: number },
): Promise<boolean> {
  const { count } = await sql`
    with place as (${openBatch(sql, batchId)})
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller,
                                 batch_id, attempt, meta, not_before)
    select r.definition_id, r.schema_name, r.view_name, r.operation, r.trigger, r.requested_by, r.caller, r.batch_id,
           ${attempt}, jsonb_set(r.meta, '{response}', '{}'), r.finished_at + make_interval(secs => ${delaySeconds})
      from viewkeeper.runs r, place
     where r.batch_id = ${batchId} and r.definition_id = ${id} and r.attempt = ${attempt}::integer - 1
    on conflict do nothing`
  return count > 0
}

/** Records that views never have their turn, each with the reason. Those that have a run already are left alone. */
export async function insertSkipped(
  sql: Sql,
  batchId: string,
  skipped: { id: number; message: string }[],
): Promise<void> {
  await sql`
    with place as (${openBatch(sql, batchId)})
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, batch_id,
                                 status, finished_at, duration_ms, error)
    select v.definition_id, v.schema_name, v.view_name, 'refresh', 'batch', b.requested_by, b.id, 'skipped',
           clock_timestamp(), 0, jsonb_build_object('class', 'UpstreamFailed', 'message', s ->> 'message')
      from place, jsonb_array_elements(${sql.json(skipped)}::jsonb) s
      join viewkeeper.batch_views v on v.batch_id = ${batchId} and v.definition_id = (s ->> 'id')::integer
      join viewkeeper.batches b on b.id = v.batch_id
    on conflict do nothing`
}

/** Cancels what is left of a batch that was told to stop: the attempts that are open, and the views without one. */
export async function cancelBatchRuns(sql: Sql, batchId: string): Promise<void> {
  const open = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where batch_id = ${batchId} and status in ('pending', 'running')`
  for (const { id } of open) await cancelRun(sql, id)
  await sql`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, batch_id,
                                 status, finished_at, duration_ms, error)
    select v.definition_id, v.schema_name, v.view_name, 'refresh', 'batch', b.requested_by, b.id, 'canceled',
           clock_timestamp(), 0,
           jsonb_build_object('class', 'Canceled', 'message', 'The batch was canceled before its turn came.')
      from viewkeeper.batch_views v join viewkeeper.batches b on b.id = v.batch_id
     where v.batch_id = ${batchId}
       and not exists (select from viewkeeper.runs r where r.batch_id = v.batch_id and r.definition_id = v.definition_id)
    on conflict do nothing`
}
