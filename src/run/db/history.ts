import type { Checks } from '../../catalog/plan/checks.ts'
import type { Operation, RunStatus, Unchanged, UsualDurations } from '../../catalog/plan/run.ts'
import { type Checking, checkingOf, madeChecks } from '../../rebuild/plan/check-data.ts'
import { regularUpToSetting, type Sql } from '../../server/connect.ts'
import { newestPage, type Page, type Paged, pageOf } from '../../server/pages.ts'
import type { QualifiedName } from '../../sql/names.ts'
import { takeLoginSettings, takeOwnSettings } from '../../sql/settings.ts'
import { type Run, runColumns } from './runs.ts'

export interface RunFilter {
  definitionId?: number | undefined
  /** Only runs of these definitions. */
  definitionIds?: number[] | undefined
  operation?: Operation | undefined
  /** Only runs with one of these statuses. */
  status?: RunStatus[] | undefined
  /** Only runs requested at or after this moment. */
  since?: Date
  /** Only runs requested before this moment. */
  until?: Date
  /** Only runs with a smaller id: the last id of the previous page. */
  before?: number
  limit: number
}

/**
 * A page of runs, newest first: at most `limit`, and fewer if their texts are large. `next` is the `before` of
 * the next page, null on the last page.
 */
export async function readRuns(sql: Sql, filter: RunFilter): Promise<Page<Run, number>> {
  const { definitionId = null, operation = null, status = null, since = null, until = null } = filter
  const { definitionIds = null, before = null } = filter
  const among = (place: ReturnType<typeof sql>) => sql`
    select r.id as key, octet_length(r.meta::text) + coalesce(octet_length(r.error::text), 0) + coalesce(octet_length(r.checks::text), 0) as bytes
      from viewkeeper.runs r
     where ${place}
       and ${definitionId === null ? sql`true` : sql`r.definition_id = ${definitionId}`}
       and ${definitionIds === null ? sql`true` : sql`r.definition_id = ${anyOf(sql, definitionIds, 'integer')}`}
       and ${operation === null ? sql`true` : sql`r.operation = ${operation}`}
       and ${status === null ? sql`true` : withStatus(sql, status)}
       and ${since === null ? sql`true` : sql`r.requested_at >= ${since}`}
       and ${until === null ? sql`true` : sql`r.requested_at < ${until}`}
       and ${before === null ? sql`true` : sql`r.id < ${before}`}`
  // In the order of the ids, all later runs would be read first. So the time is searched by its ids, and strays by their pages.
  const isPast = until !== null && definitionId === null && definitionIds === null
  const first = (at: Date | null) => sql`(select viewkeeper.first_run_since(${at}))`
  const found = isPast
    ? sql`
    select * from (
      (${among(sql`r.id < ${first(until)} and ${since === null ? sql`true` : sql`r.id >= ${first(since)}`}`)} order by r.id desc limit ${filter.limit + 1})
      union all ${among(sql`r.id + 0 >= ${first(until)}`)}) either`
    : among(sql`true`)
  const rows = await sql<Paged<Run>[]>`
    with ${newestPage(sql, found, filter.limit)}
    select ${runColumns(sql)}, page.is_last as "isLast"
      from page join viewkeeper.runs r on r.id = page.key order by r.id desc`
  return pageOf(rows, ({ id }) => id)
}

/**
 * Runs with one of these statuses; if they are bad ends only, the index of those finds them. A list would keep it from ordering
 * them.
 */
const withStatus = (sql: Sql, status: RunStatus[]) => {
  const unsuccessful = status.every((one) => one === 'failed' || one === 'canceled')
  return sql`${unsuccessful ? sql`r.status in ('failed', 'canceled') and` : sql``}
    ${status.length === 1 ? sql`r.status = ${status[0] as RunStatus}` : sql`r.status = ${anyOf(sql, status, 'text')}`}`
}

const anyOf = (sql: Sql, values: (string | number)[], type: 'integer' | 'text') =>
  sql`any (array(select value::${sql.unsafe(type)} from jsonb_array_elements_text(${sql.json(values)})))`

/** How long the last 20 refreshes of a whole view took that succeeded; nulls if there was none. */
export async function readUsualDurations(sql: Sql, { schema, name }: QualifiedName): Promise<UsualDurations> {
  const [row] = await sql<[UsualDurations]>`
    select avg((response ->> 'lockedMs')::float8) filter (where response ->> 'strategy' = 'regular') as "regularMs",
           avg((response ->> 'lockedMs')::float8) filter (where response ->> 'strategy' = 'swap') as "exchangeMs",
           avg((response ->> 'fillMs')::float8) as "fillMs",
           avg(duration_ms) filter (where response ? 'group')::float8 as "groupMs",
           avg(duration_ms) filter (where response ->> 'strategy' = 'concurrent')::float8 as "concurrentMs",
           coalesce(nullif(current_setting(${regularUpToSetting}, true), ''), '0')::float8 as "upToMs"
      from (select r.duration_ms, r.meta -> 'response' as response from viewkeeper.runs r
             where r.definition_id = (select d.id from viewkeeper.definitions d
                                      where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null)
               and r.operation = 'refresh' and r.status = 'success' and r.meta #> '{request,slices}' is null
             order by r.id desc limit 20) l`
  return row
}

/** How far a running run is, as the server knows. */
export interface Progress {
  /** `counting`, `locking`, `building`, `indexes`, `exchange` or `analyzing`; null before the first phase. */
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

/** How many rows a view had after its last success, as far as that run counted them. */
async function readLastRows(sql: Sql, definitionId: number): Promise<number | null> {
  const [row] = await sql<{ rows: number | null }[]>`
    select coalesce((select (c ->> 'counted')::int8 from jsonb_array_elements(r.checks) c where c ->> 'name' = 'rows'),
                    r.row_count_after) as rows
      from viewkeeper.runs r
     where r.definition_id = ${definitionId} and r.status = 'success' and r.filled is not null
     order by r.id desc limit 1`
  return row?.rows ?? null
}

/** What the only check of this transaction has found: see `measureCheck`. */
export async function readMadeCheck(sql: Sql): Promise<{ rows: number; ms: number }> {
  const [row] = await sql<[{ rows: number; ms: number }]>`
    select (c ->> 'rows')::int8 as rows, (c ->> 'ms')::float8 as ms
      from jsonb_array_elements(current_setting(${madeChecks})::jsonb) c`
  return row
}

/**
 * What is checked of the new data of a view; null without checks. Reads how many rows the last success left, if a check compares
 * with that.
 */
export async function readChecking(
  sql: Sql,
  { id, checks }: { id: number; checks: Checks },
): Promise<Checking | null> {
  const lastRows = checks.rows?.changeAtMost === undefined ? null : await readLastRows(sql, id)
  const checking = checkingOf({ checks }, lastRows)
  return checking && { ...checking, refreshes: true }
}

/** The same for the view of this name; null if it has no definition, too. */
export async function readCheckingOf(sql: Sql, { schema, name }: QualifiedName): Promise<Checking | null> {
  const [row] = await sql<{ id: number; checks: Checks }[]>`
    select id, checks from viewkeeper.definitions where schema_name = ${schema} and name = ${name}`
  return row === undefined ? null : readChecking(sql, row)
}

/** Proves that a refresh of the view would change nothing; undefined if that cannot be proved. */
export async function findUnchanged(sql: Sql, definitionId: number): Promise<Unchanged | undefined> {
  // The settings under which the query would be executed are part of the proof.
  const [, found] = (await sql
    .unsafe(
      `${takeLoginSettings()}; select viewkeeper.unchanged(${definitionId}) as unchanged; ${takeOwnSettings}`,
    )
    .simple()) as unknown as [unknown, [{ unchanged: Unchanged | null }]]
  return found[0].unchanged ?? undefined
}
