import type { Sql } from '../../server/connect.ts'

/** The advancer of a batch tries again every minute. */
const settledAfterSeconds = 180

/**
 * Notes that the monitor looks now. False in the first minutes after more than `absentSeconds` without a look: perhaps the
 * database was away, and the advancers of batches have not tried again yet.
 */
export async function noteLook(sql: Sql, absentSeconds: number): Promise<boolean> {
  const [row] = await sql<[{ settled: boolean }]>`
    insert into viewkeeper.switches as s (key, value) values ('looked', jsonb_build_object('at', clock_timestamp()))
    on conflict (key) do update set updated_at = clock_timestamp(), value = jsonb_build_object(
      'at', clock_timestamp(),
      'resumed', case when (s.value ->> 'at')::timestamptz < clock_timestamp() - make_interval(secs => ${absentSeconds})
                      then to_jsonb(clock_timestamp()) else s.value -> 'resumed' end)
    returning coalesce((value ->> 'resumed')::timestamptz < clock_timestamp() - make_interval(secs => ${settledAfterSeconds}), true) as settled`
  return row.settled
}
