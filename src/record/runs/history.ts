import type { Sql } from '../../server/database.ts'
import { newestPage, type Page, type Paged, pageOf } from '../../server/paging.ts'
import { madeChecks } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { Operation, RunError, RunStatus } from '../../words/run.ts'
import { type RunRow, runColumns } from './runs.ts'

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
export async function readRuns(sql: Sql, filter: RunFilter): Promise<Page<RunRow, number>> {
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
  const rows = await sql<Paged<RunRow>[]>`
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

/** How far a running run is, as the server knows. */
export interface Progress {
  /** `counting`, `locking`, `building`, `indexes`, `exchange` or `analyzing`; null before the first phase. */
  phase: string | null
  elapsedMs: number
  /** The average duration of the view's last 20 successes of this operation; null if there was no success. */
  estimatedMs: number | null
}

/** The progress of a run that is running; undefined for any other. */
export async function readProgress(sql: Sql, run: Pick<RunRow, 'id'>): Promise<Progress | undefined> {
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

/** What the only check of this transaction has found: see `measureCheck`. */
export async function readMadeCheck(sql: Sql): Promise<{ rows: number; ms: number }> {
  const [row] = await sql<[{ rows: number; ms: number }]>`
    select (c ->> 'rows')::int8 as rows, (c ->> 'ms')::float8 as ms
      from jsonb_array_elements(current_setting(${madeChecks})::jsonb) c`
  return row
}

/** A text of an error holds at most so many characters in the record: an answer lists many runs. */
export const mostCharacters = 2000

/**
 * Whether the session may close lost runs. A login that only reads may not, nor a standby, which does not even
 * have the primary's locks.
 */
export async function mayCloseRuns(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select has_table_privilege('viewkeeper.runs', 'update') and not current_setting('transaction_read_only')::boolean as may`
  return row?.may ?? false
}

/** The most characters of a text in a list of runs; the record of the run has the whole text. */
export const mostOfText = 1000

/** These parts of the error of a run or a batch `row`, each cut, as SQL; null if it has none. */
export const errorOf = (row: string, parts: (keyof RunError)[], most = mostOfText): string =>
  `case when ${row}.error is not null then jsonb_build_object(${parts
    .map((part) => `'${part}', left(${row}.error ->> '${part}', ${most})`)
    .join(', ')}) end`

/** The names of all definitions, also of removed ones. */
export const readDefinitionNames = (sql: Sql): Promise<(QualifiedName & { id: number })[]> =>
  sql<(QualifiedName & { id: number })[]>`select id, schema_name as schema, name from viewkeeper.definitions`
