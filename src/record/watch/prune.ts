import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import type { Retention } from '../plan/batch.ts'

/** The result for a range of ids. */
export interface PrunedRange {
  removed: number
  /** The first id of the next range; null if there is none. */
  next: number | null
}

/**
 * Writes down which runs are kept besides those that are younger than the retention, in a temporary table. Returns the first id from which
 * all successes of views are kept: those are not written down. Runs without a definition are kept by age only.
 */
export async function prepareKept(sql: Sql, { successes }: Retention): Promise<number> {
  await sql`drop table if exists pg_temp.viewkeeper_first, pg_temp.viewkeeper_kept`
  await sql`
    create temporary table viewkeeper_first as
      select d.id as definition_id, (
               select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success'
                order by r.id desc offset ${(successes ?? 1) - 1} limit 1) as id
        from viewkeeper.definitions d where ${successes !== null}`
  const [row] = await sql<
    [{ allFrom: number }]
  >`select coalesce(max(id), 0) as "allFrom" from pg_temp.viewkeeper_first`
  await sql`
    create temporary table viewkeeper_kept as
      select s.id from pg_temp.viewkeeper_first f cross join lateral (
        select r.id from viewkeeper.runs r
         where r.definition_id = f.definition_id and r.status = 'success' and r.id >= coalesce(f.id, 0) and r.id < ${row.allFrom}) s
      union
      select r.id
        from viewkeeper.definitions d
        left join lateral viewkeeper.last_success(d.id) last_success(id) on true
        left join lateral (select r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'failed'
                            order by r.finished_at desc, r.id desc limit 1) last_failure on true
        left join viewkeeper.last_ends k on k.definition_id = d.id
        join viewkeeper.runs r on r.id in (last_success.id, last_failure.id, k.id) and r.definition_id = d.id
      union
      select r.id from viewkeeper.batches b join viewkeeper.runs r on r.batch_id = b.id where b.finished_at is null`
  await sql`alter table pg_temp.viewkeeper_kept add primary key (id)`
  await sql`analyze pg_temp.viewkeeper_kept`
  return row.allFrom
}

/**
 * Removes the runs that are not kept, among the `width` ids from `from` on, in a transaction of its own. Ranges follow in
 * the order of the ids, so rows that are neighbours on disk are removed together, and no row is read twice.
 */
export async function pruneRange(
  sql: Sql,
  from: number,
  width: number,
  { successes, days, programs = false }: Retention,
  allFrom: number,
): Promise<PrunedRange> {
  const end = from + width
  const { count } = await sql`
    delete from viewkeeper.runs r
     where r.id >= ${from} and r.id < ${end} and (r.announced_at is not null or not ${programs})
       and case when r.status = 'success' and r.definition_id is not null and ${successes !== null} then r.id < ${allFrom}
                else r.finished_at < (select clock_timestamp() - make_interval(days => ${days})) end
       and r.id not in (select k.id from pg_temp.viewkeeper_kept k where k.id >= ${from} and k.id < ${end})
       and (select set_config('viewkeeper.spares_last_ends', 'on', true)) = 'on'`
  if (count > 0) return { removed: count, next: end }
  const [row] = await sql<
    { next: number | null }[]
  >`select min(id) as next from viewkeeper.runs where id >= ${end}`
  return { removed: count, next: row?.next ?? null }
}

/** Removes at most `most` ended batches that are older than `days` and have no runs left, oldest first. Returns how many. */
export async function pruneBatches(
  sql: Sql,
  most: number,
  { days, programs = false }: Retention,
): Promise<number> {
  const { count } = await sql`
    delete from viewkeeper.batches where id in (
      select b.id from viewkeeper.batches b
       where b.finished_at < clock_timestamp() - make_interval(days => ${days})
         and (b.announced_at is not null or not ${programs})
         and not exists (select from viewkeeper.runs r where r.batch_id = b.id)
       order by b.serial limit ${most})`
  return count
}

/**
 * Vacuums the tables, so that the space of removed rows is used again and reads of recent runs need only
 * their index. Autovacuum would wait until a fifth of the table is removed. With 2 million removed rows,
 * planning a statement that names a run's id took 30 ms; after the vacuum, 0.4 ms. Gives up after `limitMs`,
 * and skips a table that somebody else has locked: the next vacuum is the next day.
 */
export async function vacuumHistory(sql: Sql, limitMs: number): Promise<void> {
  await sql`select set_config('statement_timeout', ${String(limitMs)}, false)`
  try {
    await sql`vacuum (analyze, skip_locked)
      viewkeeper.definitions, viewkeeper.runs, viewkeeper.last_ends, viewkeeper.batches, viewkeeper.batch_views`
  } catch (error) {
    if (sqlstateOf(error) !== '57014') throw error
  }
}
