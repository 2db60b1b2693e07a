import type { LagView } from '../../plan/batches/due.ts'
import type { Sql } from '../server/connect.ts'
import { reservedKeys, runLockClass } from '../server/lock-keys.ts'

/** Whether the definition of any view has a target lag. */
export async function anyTargetLag(sql: Sql): Promise<boolean> {
  const [row] = await sql`
    select from viewkeeper.definitions where target_lag_seconds is not null and removed_at is null limit 1`
  return row !== undefined
}

/** So many runs after the last success tell how often a view has failed in a row. */
const tellingRuns = 100

/**
 * How often scheduled refreshes of definition d have failed in a row since its last success l, or since it changed (`times`), and
 * when the last one ended, for `lateral`. What people ask for counts neither way.
 */
const failedInARow = (sql: Sql) => sql`
  select count(distinct r.batch_id) filter (where r.status = 'failed') as times, max(r.finished_at) as last
    from (select r.*, bool_or(viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)) over (order by r.id desc) as mended
            from viewkeeper.runs r
           where r.definition_id = d.id and r.id > coalesce(l.last_success_id, 0) and r.operation = 'refresh'
             and r.finished_at is not null and r.requested_at > d.updated_at
           order by r.id desc limit ${tellingRuns}) r
    join viewkeeper.batches b on b.id = r.batch_id and b.trigger = 'schedule'
   where not r.mended`

/**
 * Every view that there is, or those with these definitions, as planning by target lags needs it, and the time of the database. The
 * ids are written out, so that the server looks for the latest runs of these views only.
 */
export async function readLagViews(
  sql: Sql,
  definitions: number[] | null = null,
): Promise<{ now: number; views: LagView[] }> {
  const [row] = await sql<[{ now: number; views: LagView[] }]>`
    with open_batches as materialized (
      select v.definition_id, v.batch_id from viewkeeper.batches b join viewkeeper.batch_views v on v.batch_id = b.id
       where b.status in ('pending', 'running')),
    lag_views as (
      select format('%I.%I', d.schema_name, d.name) as view, d.target_lag_seconds::int8 * 1000 as "lagMs",
             (extract(epoch from l.max_staleness) * 1000)::float8 as "limitMs",
             d.schedule is null and d.paused_at is null and not l.missing as follows,
             exists (select from viewkeeper.runs r
                      where r.definition_id = d.id and r.status in ('pending', 'running', 'built'))
               or exists (select from open_batches o where o.definition_id = d.id and not exists (
                            select from viewkeeper.runs r where r.batch_id = o.batch_id and r.definition_id = d.id)) as busy,
             extract(epoch from l.as_of) * 1000 as "asOf", l.held_back_by as "heldBackBy",
             coalesce(success.as_of is null and success.held_back_by is null and success.inputs ? 'because', false) as unseen,
             extract(epoch from greatest(success.started_at, proof.at)) * 1000 as "filledAt", usual.ms as "usualMs",
             failed.times as failures, extract(epoch from failed.last) * 1000 as "failedAt",
             d.suspend_after_failures as "suspendAfter", d.scheduled_interval_seconds::int8 * 1000 as "intervalMs"
        from viewkeeper.latest_runs l
        join viewkeeper.definitions d on d.id = l.definition_id
        left join viewkeeper.runs success on success.id = l.last_success_id
       cross join lateral (select max(r.finished_at) as at from viewkeeper.runs r
                            where r.definition_id = d.id and r.id > success.id
                              and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)) proof
       cross join lateral viewkeeper.usual_duration(d.id) usual
       cross join lateral (${failedInARow(sql)}) failed
       where ${definitions === null ? sql`true` : sql`l.definition_id = any (${`{${definitions.join()}}`}::integer[])`})
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as now,
           (select coalesce(jsonb_agg(lag_views), '[]') from lag_views) as views`
  return row
}

/** Waits until no other session plans what is due; none does until this one ends. */
export async function takeTurnToPlan(sql: Sql): Promise<void> {
  await sql`select pg_advisory_lock(${runLockClass}, ${reservedKeys.planDue})`
}
