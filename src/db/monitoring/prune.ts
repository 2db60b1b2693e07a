import type { Sql } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'

/** What of the history is kept, besides what always is: each view's last success and last failure, and what is open. */
export interface Retention {
  /** This many successes of each view; null keeps them by age only. */
  successes: number | null
  /** Everything else, and successes by age, for so many days. */
  days: number
}

/** What came of a range of ids. */
export interface PrunedRange {
  removed: number
  /** Where the next range starts; null where there is none. */
  next: number | null
}

/**
 * Writes down, for this connection, from which run on each view's successes are kept, and its last success and failure. A
 * view's runs are those of its definition; runs without one count as those of a view 0, and are kept by age only.
 */
export async function prepareCutoffs(sql: Sql, { successes }: Retention): Promise<void> {
  await sql`drop table if exists pg_temp.viewkeeper_cutoffs`
  await sql`
    create temporary table viewkeeper_cutoffs as
      select d.id as definition_id, last_success.id as last_success, last_failure.id as last_failure,
             ${successes === null} as by_age_only,
             ${
               successes === null
                 ? sql`null::bigint`
                 : sql`(
               select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success'
                order by r.id desc offset ${successes - 1} limit 1)`
             } as first_kept
        from viewkeeper.definitions d
        left join lateral (select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success' and r.fills
                            order by r.id desc limit 1) last_success on true
        left join lateral (select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'failed'
                            order by r.id desc limit 1) last_failure on true
      union all
      select 0, null, null, true, null`
  await sql`alter table pg_temp.viewkeeper_cutoffs add primary key (definition_id)`
  await sql`analyze pg_temp.viewkeeper_cutoffs`
}

/**
 * Removes what is not kept among the runs whose ids are within `width` of `from`, in a transaction of its own. Ids are gone through
 * in order, so that neighbours on disk go together, and once: what is read is what goes.
 */
export async function pruneRange(
  sql: Sql,
  from: number,
  width: number,
  { days }: Retention,
): Promise<PrunedRange> {
  const { count } = await sql`
    delete from viewkeeper.runs r using pg_temp.viewkeeper_cutoffs c
     where r.id >= ${from} and r.id < ${from + width} and c.definition_id = coalesce(r.definition_id, 0)
       and r.finished_at is not null
       and (r.batch_id = any (array(select id from viewkeeper.batches where finished_at is null))) is not true
       and r.id is distinct from c.last_success and r.id is distinct from c.last_failure
       and case when r.status = 'success' and not c.by_age_only then r.id < c.first_kept
                else r.finished_at < clock_timestamp() - make_interval(days => ${days}) end`
  const [row] = await sql<{ next: number | null }[]>`
    select min(id) as next from viewkeeper.runs where id >= ${from + width}`
  return { removed: count, next: row?.next ?? null }
}

/** Removes ended batches of which no run is left, past their days, the oldest first, so many at most. Gives how many. */
export async function pruneBatches(sql: Sql, most: number, { days }: Retention): Promise<number> {
  const { count } = await sql`
    delete from viewkeeper.batches where id in (
      select b.id from viewkeeper.batches b
       where b.finished_at < clock_timestamp() - make_interval(days => ${days})
         and not exists (select from viewkeeper.runs r where r.batch_id = b.id)
       order by b.serial limit ${most})`
  return count
}

/**
 * Makes the room of removed rows free again, and lets reads of recent runs stay within their index. Autovacuum would wait for a
 * fifth of the table: until then planning alone of what names a run's id took 30 ms behind 2 million removed rows, and 0.4 after.
 * Given up after `patienceMs`, or where somebody else is at it: it is done again the next day.
 */
export async function vacuumHistory(sql: Sql, patienceMs: number): Promise<void> {
  await sql`select set_config('statement_timeout', ${String(patienceMs)}, false)`
  try {
    await sql`vacuum (analyze, skip_locked)
      viewkeeper.definitions, viewkeeper.runs, viewkeeper.batches, viewkeeper.batch_views`
  } catch (error) {
    if (sqlstateOf(error) !== '57014') throw error
  }
}
