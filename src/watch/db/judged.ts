import type { FoundTrouble } from '../../events/plan/troubles.ts'
import type { Sql } from '../../server/connect.ts'

/** What somebody changed in the past of the record by hand is seen after this time at the latest. */
const longestUnseen = '1 hour'

/** What the monitor knows before it judges the views. */
interface Glance {
  /** Marks what the troubles follow from; null: something goes on, so they may change from one moment to the next. */
  mark: string | null
  /** Marks what was read of views. */
  scans: string | null
  /** The troubles that there are, if they are known without another look. */
  found: FoundTrouble[] | null
}

/**
 * Mends ends in the future, as a clock leaves them that is set back. Then the troubles that the last monitor with these terms found, if since then nothing was written from which they follow, and the moment has
 * not come at which the next view becomes stale.
 */
export async function glance(sql: Sql, terms: object): Promise<Glance> {
  const [{ agedSeconds, found, ...seen }] = await sql<[Glance & { agedSeconds: number }]>`
    select mark, scans::text as scans, case when mended = 0 and last.value ->> 'mark' = mark and (last.value ->> 'until')::timestamptz > clock_timestamp()
                              and last.value -> 'terms' = ${sql.json(terms as never)} then last.value -> 'found' end as found,
           extract(epoch from clock_timestamp() - (last.value ->> 'at')::timestamptz)::float8 as "agedSeconds"
      from viewkeeper.mend_ends() mended cross join viewkeeper.glance() left join viewkeeper.switches last on last.key = 'judged'`
  const aged = ({ ageSeconds, ...trouble }: FoundTrouble): FoundTrouble => ({
    ...trouble,
    ageSeconds: ageSeconds === null ? null : Math.round(ageSeconds + agedSeconds),
  })
  return { ...seen, found: found?.map(aged) ?? null }
}

/** Notes what was found at `at`, for the looks that follow: until then it is the same, unless something is written. */
export async function noteJudged(
  sql: Sql,
  judged: { mark: string; terms: object; found: FoundTrouble[]; at: Date; until: Date | null },
): Promise<void> {
  await sql`
    insert into viewkeeper.switches as s (key, value)
    values ('judged', ${sql.json(judged as never)} || jsonb_build_object('until', least(${judged.until}, ${judged.at}::timestamptz + ${longestUnseen}::interval)))
    on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value`
}
