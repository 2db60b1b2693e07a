import type { QualifiedName } from '../../plan/names.ts'
import type { Operation, RunStatus } from '../../plan/run.ts'
import type { Sql } from '../server/connect.ts'
import { newestPage, type Page, type Paged, pageOf } from '../server/pages.ts'
import { type Run, runColumns } from './runs.ts'

export interface RunFilter {
  definitionId?: number
  operation?: Operation
  status?: RunStatus
  /** Only runs requested at or after this moment. */
  since?: Date
  /** Only runs with a smaller id: the last id of the previous page. */
  before?: number
  limit: number
}

/**
 * A page of runs, newest first: at most `limit`, and fewer if their texts are large. `next` is the `before` of
 * the next page, null on the last page.
 */
export async function readRuns(sql: Sql, filter: RunFilter): Promise<Page<Run, number>> {
  const { definitionId = null, operation = null, status = null, since = null, before = null } = filter
  const found = sql`
    select r.id as key, octet_length(r.meta::text) + coalesce(octet_length(r.error::text), 0) as bytes
      from viewkeeper.runs r
     where ${definitionId === null ? sql`true` : sql`r.definition_id = ${definitionId}`}
       and ${operation === null ? sql`true` : sql`r.operation = ${operation}`}
       and ${status === null ? sql`true` : sql`r.status = ${status}`}
       and ${since === null ? sql`true` : sql`r.requested_at >= ${since}`}
       and ${before === null ? sql`true` : sql`r.id < ${before}`}`
  const rows = await sql<Paged<Run>[]>`
    with ${newestPage(sql, found, filter.limit)}
    select ${runColumns(sql)}, page.is_last as "isLast"
      from page join viewkeeper.runs r on r.id = page.key order by r.id desc`
  return pageOf(rows, ({ id }) => id)
}

/** How long the last refreshes of a view took, by how they were done; null if there was none lately. */
export interface UsualDurations {
  /** Together with the views that read it. */
  groupMs: number | null
  concurrentMs: number | null
}

/** The averages of the last 20 successes. */
export async function readUsualDurations(sql: Sql, definitionId: number): Promise<UsualDurations> {
  const [row] = await sql<[UsualDurations]>`
    select avg(duration_ms) filter (where meta -> 'response' ? 'group')::float8 as "groupMs",
           avg(duration_ms) filter (where meta #>> '{response,strategy}' = 'concurrent')::float8 as "concurrentMs"
      from (select r.duration_ms, r.meta from viewkeeper.runs r
             where r.definition_id = ${definitionId} and r.operation = 'refresh' and r.status = 'success'
             order by r.id desc limit 20) l`
  return row
}

/** The views among these of which the last refresh that ended as success or failed has failed. */
export const findFailed = (sql: Sql, views: QualifiedName[]): Promise<QualifiedName[]> => sql<
  QualifiedName[]
>`
  select d.schema_name as schema, d.name
    from jsonb_array_elements(${sql.json(views as never)}::jsonb) v
    join viewkeeper.definitions d on d.schema_name = v ->> 'schema' and d.name = v ->> 'name'
   where ${lastRefreshFailed(sql)} order by 1, 2`

/** Whether the last refresh of definition d failed, as an expression. */
export const lastRefreshFailed = (sql: Sql) => sql`
  coalesce((select r.status = 'failed' from viewkeeper.runs r
             where r.definition_id = d.id and r.operation = 'refresh' and r.status in ('success', 'failed')
             order by r.id desc limit 1), false)`

/** How far a running run is, as the server knows. */
export interface Progress {
  /** `counting`, `locking`, `building`, `indexes`, `cut-over` or `analyzing`; null before the first phase. */
  phase: string | null
  elapsedMs: number
  /** The average duration of the view's last 20 successes of this operation; null if there was no success. */
  estimatedMs: number | null
}

/** The progress of a run that is running; undefined for any other. */
export async function readProgress(sql: Sql, run: Pick<Run, 'id'>): Promise<Progress | undefined> {
  const [row] = await sql<Progress[]>`
    select nullif(split_part(a.application_name, ' ', 4), '') as phase,
           (extract(epoch from clock_timestamp() - r.started_at) * 1000)::int8 as "elapsedMs",
           (select avg(l.duration_ms)::int8 from (
              select h.duration_ms from viewkeeper.runs h
               where h.definition_id = r.definition_id and h.operation = r.operation and h.status = 'success'
               order by h.id desc limit 20) l) as "estimatedMs"
      from viewkeeper.runs r
      left join pg_catalog.pg_stat_activity a on a.pid = r.backend_pid
       and a.application_name like format('viewkeeper run %s %%', coalesce(r.group_run_id, r.id))
     where r.id = ${run.id} and r.status = 'running'`
  return row
}
