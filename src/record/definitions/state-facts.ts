import { definitionDefaults } from '../../catalog/plan/definition.ts'
import type { ViewStateFacts } from '../../catalog/plan/state.ts'
import type { Sql } from '../../server/database.ts'
import { unlessLocked } from '../../server/transactions.ts'
import { batchPlaces, isView } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import {
  checkFailedSince,
  failureOfLatest,
  isUnneeded,
  leftOutSince,
  mayFail,
  waitingRetry,
} from '../runs/failing.ts'
import { nameAside } from './look.ts'

/** So many of the latest runs of a view tell how often it has failed in a row. */
const tellingRuns = 100

/**
 * How often scheduled refreshes of definition d have failed in a row since its last success, or since it changed (`times`), and
 * when the last one ended, for `lateral`. What people ask for counts neither way.
 */
const failedInARow = (sql: Sql) => sql`
  select count(distinct r.batch_id) filter (where r.status = 'failed') as times, max(r.finished_at) as last
    from (select r.*, bool_or(${sql.unsafe(isUnneeded('r'))}) over (order by r.finished_at desc, r.id desc) as mended
            from (select * from viewkeeper.runs r
                   where r.definition_id = d.id and r.operation = 'refresh' and r.finished_at is not null
                   order by r.id desc limit ${tellingRuns}) r
           where r.finished_at > coalesce(d.last_success_at, '-infinity') and r.requested_at > d.updated_at) r
    join viewkeeper.batches b on b.id = r.batch_id and b.trigger = 'schedule'
   where not r.mended`

/** The last attempt of an open batch at definition d, if no other run of it has failed since its last success. */
const lastAttempt = (sql: Sql) => sql`(
  select jsonb_build_object('status', r.status, 'attempt', r.attempt, 'class', r.error ->> 'class', 'sqlstate', r.error ->> 'sqlstate', 'retries', o.retries)
    from open_batches o join viewkeeper.runs r on r.batch_id = o.batch_id and r.definition_id = o.definition_id
   where o.definition_id = d.id and not exists (
     select from viewkeeper.runs f where f.definition_id = d.id and f.status = 'failed' and f.batch_id is distinct from o.batch_id
        and f.finished_at > coalesce(d.last_success_at, '-infinity'))
   order by r.attempt desc limit 1)`

/**
 * The facts of every view of the catalog, of every authored view even if it is missing in the database, and of every view that is set
 * aside, by name; or of the one with this name, or of those `among` definitions. Temporary views are left out, here and
 * everywhere: only their session can use them. `planning`: read of every view what planning goes by; it costs some looks into the
 * runs of each. `sizes`: measured now, and not as of the last vacuum. The time is the database's, one for all views: those that are
 * equally old stand by name.
 */
export async function readFacts(
  sql: Sql,
  {
    only = null,
    planning = false,
    among = null,
    sizes: measured = false,
  }: { only?: QualifiedName | null; planning?: boolean; among?: number[] | null; sizes?: boolean } = {},
): Promise<{ now: Date; views: ViewStateFacts[] }> {
  const sizes = measured ? await readSizes(sql) : null
  const some = (id: string) =>
    among === null
      ? sql`true`
      : sql`${sql.unsafe(id)} = any (array(select value::integer from jsonb_array_elements_text(${sql.json(among)})))`
  const rows = await sql<(ViewStateFacts & { oid: number | null; now: Date })[]>`
    with targets as materialized (
      select exists (select from viewkeeper.definitions where target_lag_seconds is not null and removed_at is null) as any),
    open_batches as materialized (
      select v.definition_id, v.batch_id, v.retries from viewkeeper.batches b join viewkeeper.batch_views v on v.batch_id = b.id
       where b.status in ('pending', 'running')),
    known as (
      select d.*, failure.finished_at as failed_at, failure.class as failure_class,
             -- A case is looked into only where it is true; a join would be made for each view.
             case when ${planning} or targets.any or failure.finished_at is not null then (
               select jsonb_build_object(
                        'busy', exists (select from viewkeeper.runs r where r.definition_id = d.id and r.status in ('pending', 'running', 'built'))
                                or exists (select from open_batches o where o.definition_id = d.id and not exists (
                                             select from viewkeeper.runs r where r.batch_id = o.batch_id and r.definition_id = d.id)),
                        'unseen', coalesce((select success.as_of is null and success.held_back_by is null and success.inputs ? 'because'
                                              from viewkeeper.runs success where success.id = d.last_success_id), false),
                        'filledAt', (extract(epoch from greatest(
                           (select success.started_at from viewkeeper.runs success where success.id = d.last_success_id),
                           (select max(r.finished_at) from viewkeeper.runs r
                             where r.definition_id = d.id and r.id > d.last_success_id and ${sql.unsafe(isUnneeded('r'))}))) * 1000)::float8,
                        'usualMs', usual.ms, 'failures', failed.times, 'failedAt', (extract(epoch from failed.last) * 1000)::float8,
                        'suspendAfter', d.suspend_after_failures, 'intervalMs', d.scheduled_interval_seconds::int8 * 1000, 'byLog', d.storage = 'table' and d.slices is not null,
                        'followed', viewkeeper.followed_log(d.id), 'attempt', ${lastAttempt(sql)},
                        'limitMs', (extract(epoch from d.max_staleness) * 1000)::float8)
                 from viewkeeper.usual_duration(d.id) usual cross join lateral (${failedInARow(sql)}) failed) end as planned
        from (select d.*, latest.*, d.schema_name as schema
                from viewkeeper.definitions d join viewkeeper.latest_runs latest on latest.definition_id = d.id
               where ${some('d.id')}) d
       cross join targets
        left join lateral (${failureOfLatest(sql)}) failure on true),
    present as (
      select n.nspname::text as schema, c.relname::text as name, c.oid, c.relkind, c.relispopulated, c.reltuples, c.relpages
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where ${sql.unsafe(isView('c'))} and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}),
    away as (
      select item #>> '{live,view,schema}' as schema, ${sql.unsafe(nameAside)} as name,
             jsonb_build_object('since', set_aside_at, 'by', set_aside_by) as aside
        from viewkeeper.set_aside where kind = 'view')
    select statement_timestamp() as now, k.id, p.oid::int8 as oid, format('%I.%I', schema, name) as view, schema, name,
           coalesce(k.source, 'discovered') as source, case when p.relkind = 'r' or k.storage = 'table' then 'difference' else coalesce(k.refresh_strategy, ${definitionDefaults.strategy}) end as strategy,
           coalesce(p.relispopulated, false) as populated, coalesce(k.missing, false) as missing, a.aside, k.paused_at as "pausedSince",
           case when p.reltuples >= 0 then p.relpages::int8 * current_setting('block_size')::int8 end as "sizeBytes",
           coalesce(nullif(p.reltuples, -1)::int8, k.row_count_after) as "estimatedRows",
           case when p.oid is not null and num_nonnulls(k.as_of, k.held_back_by) > 0 then k.row_count_after end as "countedRows", coalesce(k.checks <> '{}', false) as checked,
           k.schedule, k.time_zone as "timeZone", k.target_lag_seconds as "targetLagSeconds", coalesce(k.in_all, true) as "inAll",
           k.promised_for as "promisedFor", k.promised_lag_seconds::int8 * 1000 as "promisedMs",
           coalesce(k.min_interval_seconds, 0) as "minIntervalSeconds", k.expected_since as "expectedSince",
           case when k.last_run_id is not null then jsonb_build_object(
             'id', k.last_run_id, 'status', k.last_status, 'requestedAt', k.last_requested_at, 'finishedAt', k.last_finished_at,
             'durationMs', k.last_duration_ms) end as "lastRun",
           k.last_success_at as "lastSuccessAt", k.as_of as "asOf", k.held_back_by as "heldBackBy",
           (date_part('epoch', statement_timestamp() - coalesce(k.as_of, k.last_success_at)) * 1000)::int8 as "staleMs",
           (date_part('epoch', k.max_staleness) * 1000)::int8 as "maxStaleMs", coalesce(k.stale, false) as stale,
           case when k.failed_at is not null then jsonb_build_object('at', k.failed_at, 'class', k.failure_class) end as failure,
           case k.failure_class when 'CheckFailed' then ${checkFailedSince(sql)} end as "checkFailedSince",
           case when k.last_status not in ('success', 'failed') then (
             select skipped.finished_at from (select k.id) d(id) cross join lateral (${leftOutSince(sql)}) skipped) end as "leftOutSince",
           retry.retry, k.planned
      from known k full join present p using (schema, name) full join away a using (schema, name)
      left join (${waitingRetry(sql)}) retry on retry.definition_id = k.id
     where ${only === null ? sql`true` : sql`schema = ${only.schema} and name = ${only.name}`} and ${some('k.id')}
     order by schema, name`
  const views = rows.map(({ oid, now: _, ...view }) => ({
    ...view,
    sizeBytes: sizes?.get(oid ?? 0) ?? view.sizeBytes,
    aside: withDates(view.aside, 'since'),
    lastRun: withDates(view.lastRun, 'requestedAt', 'finishedAt'),
    failure: withDates(view.failure, 'at'),
    retry: withDates(view.retry, 'at'),
  }))
  return { now: rows[0]?.now ?? new Date(), views }
}

/**
 * The same without the views that are well, unless planning needs them or something is set aside. A smaller statement finds the others: to
 * plan the large one takes the server longer than to execute it.
 */
export async function readUnwell(sql: Sql): Promise<{ now: Date; views: ViewStateFacts[] }> {
  const [{ now, all, unwell }] = await sql<[{ now: Date; all: boolean; unwell: number[] }]>`
    select statement_timestamp() as now,
           exists (select from viewkeeper.definitions where target_lag_seconds is not null and removed_at is null)
           or exists (select from viewkeeper.set_aside where kind = 'view') as all,
           coalesce(jsonb_agg(d.definition_id) filter (where d.stale or d.missing or ${mayFail(sql)}), '[]') as unwell
      from viewkeeper.latest_runs d`
  if (!all && unwell.length === 0) return { now, views: [] }
  return { now, views: (await readFacts(sql, { among: all ? null : unwell })).views }
}

/** An object that came as JSON, with its moments. */
const withDates = <Row extends object, Key extends keyof Row>(row: Row | null, ...keys: Key[]): Row | null =>
  row && {
    ...row,
    ...Object.fromEntries(keys.map((key) => [key, row[key] === null ? null : new Date(row[key] as string)])),
  }

/**
 * The sizes of views, by OID, without those that somebody has locked exclusively, because their sizes would have to be
 * waited for. Null if somebody locks one meanwhile.
 */
const readSizes = (sql: Sql): Promise<Map<number, number> | null> =>
  unlessLocked(sql, async (sql) => {
    const rows = await sql<{ oid: number; bytes: number }[]>`
      select c.oid::int8 as oid, pg_table_size(c.oid) as bytes from pg_catalog.pg_class c
       where ${sql.unsafe(isView('c'))} and not exists (
             select from pg_catalog.pg_locks l
              where l.locktype = 'relation' and l.relation = c.oid and l.mode = 'AccessExclusiveLock'
                and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))`
    return new Map(rows.map(({ oid, bytes }) => [oid, bytes]))
  })
