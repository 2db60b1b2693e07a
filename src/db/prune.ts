import type { Sql } from './connect.ts'

/** What of the history is kept, besides what always is: each view's last success and last failure, and what is open. */
export interface Retention {
  /** This many successes of each view; null keeps them by age only. */
  successes: number | null
  /** Everything else, and successes by age, for so many days. */
  days: number
}

/** Runs of an id range that were looked at, and how many of them went. */
export interface PrunedRange {
  removed: number
  /** Where the next range starts; null where there is none. */
  next: number | null
}

/**
 * Writes down, for this connection, from which run on each view's successes are kept, and its last success and failure. A
 * view's runs are those of its definition; runs without one are a view of their own.
 */
export async function prepareCutoffs(sql: Sql, { successes }: Retention): Promise<void> {
  await sql`drop table if exists pg_temp.viewkeeper_cutoffs`
  await sql`
    create temporary table viewkeeper_cutoffs as
      select d.id as definition_id, last_success.id as last_success, last_failure.id as last_failure,
             ${
               successes === null
                 ? sql`null::bigint`
                 : sql`(
               select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success'
                order by r.id desc offset ${successes - 1} limit 1)`
             } as first_kept
        from viewkeeper.definitions d
        left join lateral (select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success'
                            order by r.id desc limit 1) last_success on true
        left join lateral (select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'failed'
                            order by r.id desc limit 1) last_failure on true`
  await sql`alter table pg_temp.viewkeeper_cutoffs add primary key (definition_id)`
  await sql`analyze pg_temp.viewkeeper_cutoffs`
}

/**
 * Removes what is not kept among the `count` runs from `from` on, in a transaction of its own. Ids are looked through in
 * order, so that neighbours on disk go together.
 */
export async function pruneRange(
  sql: Sql,
  from: number,
  count: number,
  { successes, days }: Retention,
): Promise<PrunedRange> {
  const [row] = await sql<PrunedRange[]>`
    with range as materialized (
      select r.id, r.status, r.definition_id, r.finished_at, r.batch_id from viewkeeper.runs r
       where r.id >= ${from} order by r.id limit ${count}),
    removed as (
      delete from viewkeeper.runs r using range g left join pg_temp.viewkeeper_cutoffs c using (definition_id)
       where r.id = g.id and g.finished_at is not null
         and g.id is distinct from c.last_success and g.id is distinct from c.last_failure
         and case when g.status = 'success' and c.definition_id is not null and ${successes !== null}
               then g.id < c.first_kept
               else g.finished_at < clock_timestamp() - make_interval(days => ${days}) end
         and not exists (select from viewkeeper.batches b where b.id = g.batch_id and b.finished_at is null)
      returning 1)
    select (select count(*) from removed) as removed,
           (select max(id) + 1 from range having count(*) = ${count}) as next`
  return row as PrunedRange
}

/** Removes ended batches of which no run is left, past their days. Gives how many. */
export async function pruneBatches(sql: Sql, { days }: Retention): Promise<number> {
  const { count } = await sql`
    delete from viewkeeper.batches b
     where b.finished_at < clock_timestamp() - make_interval(days => ${days})
       and not exists (select from viewkeeper.runs r where r.batch_id = b.id)`
  return count
}
