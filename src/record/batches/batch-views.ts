import type { Sql } from '../../server/database.ts'
import { isView, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { Unchanged } from '../../words/run.ts'
import { listAside } from '../definitions/look.ts'
import type { BatchableView, PlannedView } from '../plan/batch.ts'
import { failureOf, leftOutSince, wasLeftOut } from '../runs/failing.ts'

/** One view of a batch, as the view was when the batch was made. */
export interface BatchView extends PlannedView {
  /** The name as SQL would write it. */
  view: string
  /** Why the batch rebuilds the view although it was not to refresh it; null: it was to. */
  includedBecause: string | null
  /** Who owned the view when the call that advances the batch began; null: nobody, the view is gone. */
  owner?: number | null
}

/** The members of a group whose runs follow that of the first, as a plan names them. */
export const followersIn = (members: BatchView[]) =>
  members.slice(1).map(({ id, schema, name, view }) => ({ definitionId: id, schema, name, view }))

/** Every view of the catalog, with what a batch is planned on. Each has a definition after discoverDefinitions. */
export const readBatchableViews = (sql: Sql): Promise<BatchableView[]> => sql<BatchableView[]>`
  select d.id, d.schema_name as schema, d.name, format('%I.%I', d.schema_name, d.name) as view, d.in_all as "inAll",
         d.schedule, d.time_zone as "timeZone", d.paused_at is not null as paused, d.retries, d.retry_delay_seconds as "retryDelaySeconds",
         usual.ms::int8 as "usualMs"
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join viewkeeper.definitions d on d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null
   cross join lateral viewkeeper.usual_duration(d.id) usual
   where ${sql.unsafe(isView('c'))} and c.relpersistence <> 't' order by n.nspname, c.relname`

/** Writes the views of a batch, in the given order. What is known of them already is written again. */
export async function insertBatchViews(
  sql: Sql,
  batchId: string,
  views: (PlannedView & { includedBecause?: string | null })[],
): Promise<void> {
  await sql`
    insert into viewkeeper.batch_views (batch_id, definition_id, position, schema_name, view_name, parents, retries,
                                        retry_delay_seconds, estimate_ms, remaining_ms, included_because)
    select ${batchId}, (v ->> 'id')::integer, at, v ->> 'schema', v ->> 'name',
           array(select value::integer from jsonb_array_elements_text(v -> 'parents')), (v ->> 'retries')::integer,
           (v ->> 'retryDelaySeconds')::integer, (v ->> 'estimateMs')::int8, (v ->> 'remainingMs')::int8, v ->> 'includedBecause'
      from jsonb_array_elements(${sql.json(views as never)}::jsonb) with ordinality as x(v, at)
    on conflict (batch_id, definition_id) do update
       set position = excluded.position, parents = excluded.parents, included_because = excluded.included_because`
}

/** The views of a batch: parents before children, most urgent first. */
export const readBatchViews = (sql: Sql, batchId: string): Promise<BatchView[]> => sql<BatchView[]>`
  select v.definition_id as id, v.schema_name as schema, v.view_name as name,
         format('%I.%I', v.schema_name, v.view_name) as view, to_jsonb(v.parents) as parents, v.retries,
         v.retry_delay_seconds as "retryDelaySeconds", v.estimate_ms as "estimateMs", v.remaining_ms as "remainingMs", v.included_because as "includedBecause",
         (select c.relowner::int8 from pg_catalog.pg_class c where c.oid = to_regclass(format('%I.%I', v.schema_name, v.view_name))) as owner
    from viewkeeper.batch_views v where v.batch_id = ${batchId} order by v.position`

/** The definitions of the views that this batch did not refresh, by their latest attempts. */
export async function findUnrefreshed(sql: Sql, batchId: string): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select v.definition_id as id from viewkeeper.batch_views v
     cross join lateral (select r.status, r.error from viewkeeper.runs r
                          where r.batch_id = v.batch_id and r.definition_id = v.definition_id
                          order by r.attempt desc limit 1) r
     where v.batch_id = ${batchId} and (r.status in ('failed', 'canceled') or ${wasLeftOut(sql)})`
  return rows.map(({ id }) => id)
}

/**
 * The views among these that are as another run has left them, which has refreshed them since the batch was requested, and since what
 * they read was refreshed last, or at one moment with it; with that run.
 */
export const readRefreshed = (sql: Sql, batchId: string, views: BatchView[]) =>
  sql<{ id: number; runId: number; unchanged: Unchanged }[]>`
    select d.id, r.id as "runId", jsonb_build_object('asOf', r.as_of, 'heldBackBy', r.held_back_by, 'counted', false) as unchanged
      from viewkeeper.definitions d
     cross join viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
      join viewkeeper.batches b on b.id = ${batchId} and r.started_at >= b.requested_at
      join pg_catalog.pg_class c on c.oid = to_regclass(format('%I.%I', d.schema_name, d.name))
     where r.as_of is not null and d.id in (select value::integer from jsonb_array_elements_text(${sql.json(views.map(({ id }) => id))}))
       and r.filled = viewkeeper.filling(c.oid)
       and not exists (
         select from viewkeeper.batch_views v cross join unnest(v.parents) p(id) cross join viewkeeper.last_success(p.id) s(id)
           join viewkeeper.runs read on read.id = s.id and read.finished_at > r.started_at and read.finished_at <> r.finished_at
          where v.batch_id = b.id and v.definition_id = d.id)`

/** The definitions of the views that fail, or were skipped because another view failed. */
export async function findFailing(sql: Sql): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select d.id from viewkeeper.definitions d
     where d.removed_at is null and (exists (${failureOf(sql)}) or exists (${leftOutSince(sql)}))`
  return rows.map(({ id }) => id)
}

/** The ids of the definitions whose views are paused. */
export async function readPausedIds(sql: Sql): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`select id from viewkeeper.definitions where paused_at is not null`
  return new Set(rows.map(({ id }) => id))
}

/** A definition to create a view from; `sql` is null if nobody has authored the view. */
/** The authored views that a batch of all views includes and that are neither in the catalog nor set aside, as SQL writes them. */
export async function readMissingNames(sql: Sql): Promise<string[]> {
  const aside = new Set((await listAside(sql)).map(quoteName))
  const rows = await sql<(QualifiedName & { view: string })[]>`
    select d.schema_name as schema, d.name, format('%I.%I', d.schema_name, d.name) as view from viewkeeper.definitions d
     where d.source = 'authored' and d.removed_at is null and d.in_all and d.paused_at is null
       and not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                        where n.nspname = d.schema_name and c.relname = d.name and ${sql.unsafe(isView('c'))}) order by 3`
  return rows.filter((row) => !aside.has(quoteName(row))).map(({ view }) => view)
}
