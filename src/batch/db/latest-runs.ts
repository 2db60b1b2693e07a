import { type DefinitionDefaults, defaultsColumns } from '../../catalog/db/definitions.ts'
import { isUnneeded } from '../../catalog/db/failing.ts'
import { isEnded } from '../../catalog/plan/run.ts'
import type { ViewFacts } from '../../catalog/plan/view-facts.ts'
import { Problem } from '../../problem.ts'
import type { LatestRun } from '../../run/plan/turn.ts'
import type { Sql } from '../../server/connect.ts'
import { onReplicas } from '../../server/session-settings.ts'
import type { BatchView } from './batch-views.ts'
import type { Batch } from './batches.ts'

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
           ${sql.unsafe(isUnneeded('r'))} as unneeded
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
export async function readPlanBasis(
  sql: Sql,
  batch: Since,
  { id, schema, name }: Pick<BatchView, 'id' | 'schema' | 'name'>,
): Promise<PlanBasis | undefined> {
  const [row] = await sql<PlanBasis[]>`
    select ${sql.unsafe(defaultsColumns)}, ${refreshedSince(sql, batch)} as "refreshedSince",
           exists (select from viewkeeper.switches where key = 'paused') as "allPaused",
           (select r.id from viewkeeper.runs r
             where r.schema_name = ${schema} and r.view_name = ${name} and r.status = 'running') as "runningRunId"
      from viewkeeper.definitions d where d.id = ${id}`
  return row
}

/**
 * A condition in SQL: true if a plan made on this basis and view still holds. Then nothing is paused, the
 * definition says the same, the view was neither exchanged nor given away, no run of the view is running, and none has refreshed it
 * meanwhile. The view's indexes are not compared.
 */
export const basisHolds = (
  sql: Sql,
  batch: Since,
  { id, schema, name }: BatchView,
  { strategy, rowCountStrategy, timeoutSeconds, settings, checks, onReplicas: replicas }: PlanBasis,
  { oid, owner, populated }: ViewFacts,
) => sql`
  exists (
    select from viewkeeper.definitions d, pg_catalog.pg_class c
     where d.id = ${id} and d.paused_at is null and d.refresh_strategy = ${strategy}
       and d.row_count_strategy = ${rowCountStrategy} and d.timeout_seconds = ${timeoutSeconds}
       and d.settings = ${sql.json(settings as never)}::jsonb and d.checks = ${sql.json(checks as never)}::jsonb
       and ${sql.unsafe(onReplicas)} is not distinct from ${replicas}
       and not exists (select from viewkeeper.switches where key = 'paused')
       and c.oid = ${oid} and c.relname = ${name} and c.relnamespace = to_regnamespace(quote_ident(${schema}))
       and c.relispopulated = ${populated} and c.relowner::regrole::text = ${owner}
       and not exists (select from viewkeeper.runs r
                        where r.schema_name = ${schema} and r.view_name = ${name} and r.status = 'running')
       and not ${refreshedSince(sql, batch)})`
