import type { Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'

/** The advancer of a batch tries again every minute. */
const settledAfterSeconds = 180

/** Ends in the future, as a clock leaves them that is set back, become ends of now. */
export async function mendEnds(sql: Sql): Promise<void> {
  await sql`select viewkeeper.mend_ends()`
}

/**
 * Notes that the monitor looks now, whether anybody is told what it finds, and whether the database lacks the newest migration that was
 * deployed. False in the first minutes after more than `absentSeconds` without a look: perhaps the database was away, and the advancers
 * of batches have not tried again yet.
 */
export async function noteLook(
  sql: Sql,
  absentSeconds: number,
  { told = null, newestMigration = null }: { told?: boolean | null; newestMigration?: number | null } = {},
): Promise<boolean> {
  const [{ settled }] = await sql<[{ settled: boolean }]>`
    insert into viewkeeper.switches as s (key, value)
    values ('looked', jsonb_build_object('at', clock_timestamp(), 'told', ${told}::boolean,
              'lacks', (select ${newestMigration}::integer where ${newestMigration}::integer > (select coalesce(max(number), 0) from viewkeeper.migrations))))
    on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value || jsonb_build_object(
      'resumed', case when (s.value ->> 'at')::timestamptz < clock_timestamp() - make_interval(secs => ${absentSeconds})
                      then to_jsonb(clock_timestamp()) else s.value -> 'resumed' end)
    returning
      coalesce((value ->> 'resumed')::timestamptz < clock_timestamp() - make_interval(secs => ${settledAfterSeconds}), true) as settled`
  return settled
}

/** The server's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  return row.now
}

/** When the monitor last looked; null: never. */
export async function readLastLook(sql: Sql): Promise<Date | null> {
  const [look] = await sql<{ at: Date }[]>`
    select (value ->> 'at')::timestamptz as at from viewkeeper.switches where key = 'looked'`
  return look?.at ?? null
}

/**
 * Begins to monitor a database, at its first deploy: the ends of runs and batches are published from now on. What somebody tried there
 * before is marked as published, and as nothing that programs have to be told. False if it had begun before: then nothing changes.
 */
export const beginMonitoring = (sql: Sql): Promise<boolean> =>
  withTransaction(sql, async (transaction) => {
    const { count } = await transaction`
      insert into viewkeeper.switches (key, value) values ('monitored', jsonb_build_object('since', clock_timestamp()))
      on conflict do nothing`
    if (count === 0) return false
    await transaction`
      update viewkeeper.runs set published_at = coalesce(published_at, clock_timestamp()),
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null)`
    await transaction`
      update viewkeeper.batches set published_at = coalesce(published_at, clock_timestamp()),
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null)`
    await transaction`delete from viewkeeper.events`
    return true
  })
