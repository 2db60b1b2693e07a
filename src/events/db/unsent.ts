import { isUnneeded } from '../../catalog/db/failing.ts'
import { mostCharacters } from '../../run/db/life.ts'
import { errorOf } from '../../run/db/runs.ts'
import type { Sql } from '../../server/connect.ts'
import { runLocks } from '../../server/lock-keys.ts'
import type { UntoldBatch, UntoldRun } from '../plan/news.ts'

/** More than this becomes events at the next call. */
const atOnce = 1000

/**
 * The ended runs that are no events yet, in the order of their ends, locked until they are. A run whose server process still
 * counts its rows comes later, and so do the runs of its view after it. A run may end its count after this statement has begun:
 * so all that is told comes from the locked row, which is the newest, and not from the row as it was when the statement began.
 * The rows are locked in the order in which the monitor locks them; so nobody waits in a circle.
 */
export async function readUntoldRuns(sql: Sql): Promise<UntoldRun[]> {
  const runs = await sql<UntoldRun[]>`
    with ${runLocks(sql)},
    busy as materialized (
      select r.id, r.schema_name, r.view_name from run_locks l join viewkeeper.runs r on r.id = l.id and r.backend_pid = l.pid
       where r.finished_at is not null and r.announced_at is null),
    untold as materialized (
      select r.id, r.definition_id, r.schema_name, r.view_name, r.batch_id, r.operation, r.status, r.trigger, r.attempt, r.fills,
             r.meta #>> '{response,strategy}' as strategy, r.finished_at, r.duration_ms, r.row_count_after, r.error
        from viewkeeper.runs r
       where r.finished_at is not null and r.announced_at is null
         and not exists (select from busy b where b.schema_name = r.schema_name and b.view_name = r.view_name and b.id <= r.id)
       order by r.id limit ${atOnce} for no key update of r)
    select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.batch_id as "batchId", r.operation, r.status, r.trigger,
           r.attempt, r.fills, r.strategy, r.finished_at as "finishedAt",
           r.duration_ms as "durationMs", r.row_count_after as rows, coalesce(proof.as_of, before.as_of) as "freshBefore",
           ${sql.unsafe(errorOf('r', ['class', 'sqlstate', 'message'], mostCharacters))} as error
      from untold r
      left join lateral (
        select b.id, coalesce(b.as_of, b.finished_at) as as_of from viewkeeper.runs b
         where b.definition_id = r.definition_id and b.id < r.id and b.status = 'success' and b.fills
         order by b.id desc limit 1) before on true
      left join lateral (
        select b.as_of from viewkeeper.runs b
         where b.definition_id = r.definition_id and b.id between before.id and r.id - 1
           and ${sql.unsafe(isUnneeded('b'))}
         order by b.id desc limit 1) proof on true
     order by r.finished_at, r.id`
  return [...runs]
}

/** The ended batches that are no events yet, oldest first, locked until they are. */
export async function readUntoldBatches(sql: Sql): Promise<UntoldBatch[]> {
  const batches = await sql<UntoldBatch[]>`
    with untold as materialized (
      select b.id, b.serial from viewkeeper.batches b
       where b.finished_at is not null and b.announced_at is null
       order by b.serial limit ${atOnce} for no key update of b)
    select b.id, b.status, b.trigger, b.finished_at as "finishedAt",
           (extract(epoch from b.finished_at - b.started_at) * 1000)::int8 as "durationMs",
           ${sql.unsafe(errorOf('b', ['class', 'message'], mostCharacters))} as error,
           (select jsonb_build_object('success', count(*) filter (where l.status = 'success'),
                                      'failed', count(*) filter (where l.status = 'failed'),
                                      'canceled', count(*) filter (where l.status = 'canceled'),
                                      'skipped', count(*) filter (where l.status = 'skipped'))
              from (select distinct on (r.definition_id) r.status from viewkeeper.runs r where r.batch_id = b.id
                     order by r.definition_id, r.attempt desc) l) as views
      from untold join viewkeeper.batches b on b.id = untold.id
     order by untold.serial`
  return [...batches]
}

/** Notes that these runs and batches have become events, or need not become one. */
export async function markTold(sql: Sql, runs: UntoldRun[], batches: UntoldBatch[]): Promise<void> {
  if (runs.length > 0)
    await sql`
      update viewkeeper.runs set announced_at = clock_timestamp()
       where id in (select value::int8 from jsonb_array_elements_text(${sql.json(runs.map(({ id }) => id))}))`
  if (batches.length > 0)
    await sql`
      update viewkeeper.batches set announced_at = clock_timestamp()
       where id in (select value from jsonb_array_elements_text(${sql.json(batches.map(({ id }) => id))}))`
}
