import { type Batch, batchColumns } from './batches.ts'
import type { Sql } from './connect.ts'
import { runLockClass } from './run-locks.ts'
import { type Run, runColumns } from './runs.ts'

/** A run that has ended, and how long its view's refreshes usually take: the average of the 20 successes before it. */
export interface EndedRun extends Run {
  usualMs: number | null
  /** Whether its success has made the view's data fresh. */
  fills: boolean
}

/**
 * Hands the ended runs that were not published yet to `publish`, oldest first, and marks them published afterwards: so each is
 * published at least once, and more than once only where we die in between. At most `limit` of them. One that
 * still counts its rows, aside, is left to the next time.
 */
export async function publishEndedRuns(
  sql: Sql,
  limit: number,
  publish: (runs: EndedRun[]) => void,
): Promise<number> {
  const runs = await sql<EndedRun[]>`
    select ${runColumns(sql)}, r.fills, case when r.operation = 'refresh' and r.status = 'success' then usual.ms end as "usualMs"
      from viewkeeper.runs r
     cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
     where r.finished_at is not null and r.published_at is null
       and not exists (select from pg_catalog.pg_locks l
                        where l.locktype = 'advisory' and l.classid = ${runLockClass}::oid and l.objid = r.id::int8::oid
                          and l.objsubid = 2 and l.granted
                          and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))
     order by r.id limit ${limit}`
  return tell(
    runs,
    publish,
    (ids) => sql`
      update viewkeeper.runs set published_at = clock_timestamp()
       where id in (select value::int8 from jsonb_array_elements_text(${sql.json(ids)}))`,
  )
}

/** The same with ended batches. */
export async function publishEndedBatches(
  sql: Sql,
  limit: number,
  publish: (batches: Batch[]) => void,
): Promise<number> {
  const batches = await sql<Batch[]>`
    select ${batchColumns(sql)} from viewkeeper.batches b
     where b.finished_at is not null and b.published_at is null order by b.serial limit ${limit}`
  return tell(
    batches,
    publish,
    (ids) => sql`
      update viewkeeper.batches set published_at = clock_timestamp()
       where id in (select value from jsonb_array_elements_text(${sql.json(ids)}))`,
  )
}

/** Marks afterwards: whoever dies in between has it told twice, rather than not at all. Gives how many were told. */
async function tell<Row extends { id: number | string }>(
  rows: Row[],
  publish: (rows: Row[]) => void,
  mark: (ids: Row['id'][]) => Promise<unknown>,
): Promise<number> {
  publish(rows)
  if (rows.length > 0) await mark(rows.map(({ id }) => id))
  return rows.length
}
