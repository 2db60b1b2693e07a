import type { QualifiedName } from '../../plan/names.ts'
import type { Sql } from '../server/connect.ts'

/** The fields of a definition that say which schedules refresh its view. */
export interface ScheduledDefinition {
  schedule: string | null
  timeZone: string | null
  inAll: boolean
}

/**
 * Writes the longest time between two refreshes by schedule into each definition, in seconds, so that SQL can tell which
 * views are stale. Definitions that have the right value already are not touched.
 */
export async function writeIntervals(
  sql: Sql,
  intervalOf: (definition: ScheduledDefinition) => number | null,
): Promise<void> {
  const definitions = await sql<(ScheduledDefinition & { id: number; seconds: number | null })[]>`
    select id, schedule, time_zone as "timeZone", in_all as "inAll", scheduled_interval_seconds as seconds
      from viewkeeper.definitions where removed_at is null`
  const changed = definitions.flatMap(({ id, seconds, ...definition }) => {
    const interval = intervalOf(definition)
    return interval === seconds ? [] : [{ id, seconds: interval }]
  })
  if (changed.length === 0) return
  // Locked in order: two monitors that write at once do not wait for each other in a circle.
  await sql`
    with changed as (
      select d.id, c.seconds from viewkeeper.definitions d
        join jsonb_to_recordset(${sql.json(changed)}) as c(id integer, seconds integer) using (id)
       order by d.id for no key update of d)
    update viewkeeper.definitions d set scheduled_interval_seconds = changed.seconds
      from changed where changed.id = d.id`
}

/** The views with a schedule of their own, by name. */
export const readScheduled = (
  sql: Sql,
): Promise<(QualifiedName & Pick<ScheduledDefinition, 'schedule' | 'timeZone'>)[]> =>
  sql<(QualifiedName & Pick<ScheduledDefinition, 'schedule' | 'timeZone'>)[]>`
    select schema_name as schema, name, schedule, time_zone as "timeZone" from viewkeeper.definitions
     where time_zone is not null and removed_at is null order by 1, 2`
