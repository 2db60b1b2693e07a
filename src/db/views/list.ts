import { batchPlaces } from '../../plan/groups/group.ts'
import type { QualifiedName } from '../../plan/names.ts'
import type { RunStatus } from '../../plan/run.ts'
import { definitionDefaults } from '../../plan/views/definition.ts'
import { readable } from '../../plan/views/server-sql.ts'
import { checkFailedSince, failureOf } from '../runs/failing.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/look-again.ts'
import { unlessLocked } from '../server/unless-locked.ts'

interface LastRun {
  id: number
  status: RunStatus
  requestedAt: Date
  durationMs: number | null
}

/** One view as the list shows it. */
export interface ViewSummary {
  /** Null until a run, a batch or the monitor gives the view a definition. */
  id: number | null
  view: string
  schema: string
  name: string
  source: 'authored' | 'discovered'
  strategy: string
  populated: boolean
  paused: boolean
  /** If somebody has locked the view exclusively: the planner's estimate, or null if there is none. */
  sizeBytes: number | null
  /** The planner's estimate; if there is none, the count of the last run that made the data fresh. */
  estimatedRows: number | null
  lastRun: LastRun | null
  /** The end of the last run that made the view's data fresh; null if there is none. */
  lastSuccessAt: Date | null
  /** The moment whose data the view shows; null if nobody knows it. */
  asOf: Date | null
  /** The view that holds `asOf` back: its data are the oldest in this view, or nobody knows their age. Null: none does. */
  heldBackBy: string | null
  /**
   * The age of the view's data, stale or not; if nobody knows it, the time since the last success. Null if no run has made them
   * fresh.
   */
  staleMs: number | null
  /** The age from which the data are stale; null if nobody expects the view to be refreshed. */
  maxStaleMs: number | null
  /** Whether the view's data are stale. */
  stale: boolean
  /** Whether the view, which somebody authored, is not in the database. */
  missing: boolean
  /** Whether a refresh failed, and none has succeeded since. */
  failing: boolean
  /** Whether its definition has checks. */
  checked: boolean
  /** Since when checks hold the new data of the view back; null: none does. */
  checkFailedSince: Date | null
  /** The fields of the definition that say which schedules refresh the view. */
  schedule: string | null
  timeZone: string | null
  targetLagSeconds: number | null
  inAll: boolean
}

/**
 * All views of the catalog, by name; or the one with this name. Authored views are among them even if they are
 * missing in the database. Temporary views are left out, here and everywhere: only their session can use them.
 */
export async function readViews(sql: Sql, only: QualifiedName | null = null): Promise<ViewSummary[]> {
  const sizes = await readSizes(sql)
  const rows = await sql<
    ({ oid: number | null } & Omit<ViewSummary, 'lastRun'> & {
        [Key in keyof LastRun as `lastRun.${Key}`]: LastRun[Key]
      })[]
  >`
    select k.id, c.oid::int8 as oid, format('%I.%I', schema, name) as view, schema, name,
           coalesce(k.source, 'discovered') as source, coalesce(k.refresh_strategy, ${definitionDefaults.strategy}) as strategy,
           coalesce(c.relispopulated, false) as populated, k.paused_at is not null as paused,
           case when c.reltuples >= 0 then c.relpages::int8 * current_setting('block_size')::int8 end as "sizeBytes",
           coalesce(nullif(c.reltuples, -1)::int8, k.row_count_after) as "estimatedRows",
           k.last_run_id as "lastRun.id", k.last_status as "lastRun.status",
           k.last_requested_at as "lastRun.requestedAt", k.last_duration_ms as "lastRun.durationMs",
           k.last_success_at as "lastSuccessAt",
           k.as_of as "asOf", k.held_back_by as "heldBackBy",
           (extract(epoch from clock_timestamp() - coalesce(k.as_of, k.last_success_at)) * 1000)::int8 as "staleMs",
           (extract(epoch from k.max_staleness) * 1000)::int8 as "maxStaleMs",
           coalesce(k.stale, false) as stale, coalesce(k.missing, false) as missing, coalesce(k.failing, false) as failing,
           coalesce(k.checks <> '{}', false) as checked, k.check_failed_since as "checkFailedSince",
           k.schedule, k.time_zone as "timeZone", k.target_lag_seconds as "targetLagSeconds", coalesce(k.in_all, true) as "inAll"
      from (
        select d.*, latest.*, d.schema_name as schema, failure.finished_at is not null as failing,
               case failure.class when 'CheckFailed' then ${checkFailedSince(sql)} end as check_failed_since
          from viewkeeper.definitions d join viewkeeper.latest_runs latest on latest.definition_id = d.id
          left join lateral (${failureOf(sql)}) failure on true) k
      full join (
        select c.*, n.nspname::text as schema, c.relname::text as name
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'm' and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}) c using (schema, name)
     where ${only === null ? sql`true` : sql`schema = ${only.schema} and name = ${only.name}`}
     order by schema, name`
  return rows.map(
    ({
      oid,
      'lastRun.id': id,
      'lastRun.status': status,
      'lastRun.requestedAt': requestedAt,
      'lastRun.durationMs': durationMs,
      ...view
    }) => ({
      ...view,
      sizeBytes: sizes?.get(oid ?? 0) ?? view.sizeBytes,
      lastRun: id === null ? null : { id, status, requestedAt, durationMs },
    }),
  )
}

/**
 * The sizes of views, by OID, without those that somebody has locked exclusively, because their sizes would have to be
 * waited for. Null if somebody locks one meanwhile.
 */
const readSizes = (sql: Sql): Promise<Map<number, number> | null> =>
  unlessLocked(sql, async (sql) => {
    const rows = await sql<{ oid: number; bytes: number }[]>`
      select c.oid::int8 as oid, pg_relation_size(c.oid) as bytes from pg_catalog.pg_class c
       where c.relkind = 'm' and not exists (
             select from pg_catalog.pg_locks l
              where l.locktype = 'relation' and l.relation = c.oid and l.mode = 'AccessExclusiveLock'
                and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))`
    return new Map(rows.map(({ oid, bytes }) => [oid, bytes]))
  })

/** More about a view. `sql` and `definition`s are null while a refresh's lock keeps them from being read. */
export interface ViewDetails {
  sql: string | null
  comment: string | null
  /** Null if the view is missing. */
  owner: string | null
  indexes: { name: string; unique: boolean; definition: string | null }[]
}

/** Reads more about one view, without waiting for the end of a refresh. */
export async function readViewDetails(sql: Sql, name: QualifiedName): Promise<ViewDetails> {
  const [base] = await sql<[Omit<ViewDetails, 'sql'>?]>`
    select obj_description(c.oid, 'pg_class') as comment, c.relowner::regrole::text as owner,
           (select coalesce(jsonb_agg(jsonb_build_object('name', x.relname, 'unique', i.indisunique) order by x.relname), '[]')
              from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
             where i.indrelid = c.oid) as indexes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${isNamed(sql, name)}`
  const texts = await lookAgain(() => unlessLocked(sql, (sql) => readTexts(sql, name)))
  return {
    sql: texts?.sql == null ? null : readable(texts.sql.trim()),
    comment: base?.comment ?? null,
    owner: base?.owner ?? null,
    indexes: (base?.indexes ?? []).map((index) => ({
      ...index,
      definition: texts?.indexes?.[index.name] ?? null,
    })),
  }
}

interface Texts {
  sql: string | null
  /** By the index's name. */
  indexes: Record<string, string | null> | null
}

/** Undefined if nothing has the name; `gone` if an exchange meanwhile left the server without a text. */
async function readTexts(sql: Sql, name: QualifiedName): Promise<Texts | undefined | 'gone'> {
  const [row] = await sql<[Texts?]>`
    select pg_get_viewdef(c.oid, true) as sql,
           (select jsonb_object_agg(x.relname, pg_get_indexdef(i.indexrelid))
              from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
             where i.indrelid = c.oid) as indexes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${isNamed(sql, name)}`
  return row !== undefined && [row.sql, ...Object.values(row.indexes ?? {})].includes(null) ? 'gone' : row
}

const isNamed = (sql: Sql, { schema, name }: QualifiedName) =>
  sql`n.nspname = ${schema} and c.relname = ${name}`
