import type { Sql } from '../../server/database.ts'
import type { QualifiedName } from '../../words/names.ts'

/** The fields of a definition that say which schedules refresh its view. */
export interface ScheduledDefinition {
  schedule: string | null
  timeZone: string | null
  inAll: boolean
}

/** What schedules and target lags promise of a view. */
interface Expected {
  /** The longest time between two refreshes by schedule, in seconds; null: no schedule refreshes it. */
  interval: number | null
  /** How old target lags let the data become, and the view whose target lag that is; null: its own. */
  promised: { lagMs: number; of: string | null } | undefined
}

/**
 * Writes into each definition how often schedules refresh the view, and how old target lags let its data become, so that SQL can tell which
 * views are stale. Definitions that have the right values already are not touched; false:
 * all have.
 */
export async function writeExpectations(
  sql: Sql,
  expected: (definition: ScheduledDefinition & { view: string }) => Expected,
): Promise<boolean> {
  const definitions = await sql<(ScheduledDefinition & { view: string; id: number; written: string })[]>`
    select id, format('%I.%I', schema_name, name) as view, schedule, time_zone as "timeZone", in_all as "inAll",
           jsonb_build_array(scheduled_interval_seconds, promised_lag_seconds, promised_for)::text as written
      from viewkeeper.definitions where removed_at is null`
  const changed = definitions.flatMap(({ id, written, ...definition }) => {
    const { interval, promised } = expected(definition)
    const right = [interval, promised === undefined ? null : promised.lagMs / 1000, promised?.of ?? null]
    return JSON.stringify(right) === JSON.stringify(JSON.parse(written)) ? [] : [{ id, right }]
  })
  if (changed.length === 0) return false
  // Locked in order: two monitors that write at once do not wait for each other in a circle.
  await sql`
    with changed as (
      select d.id, c."right" from viewkeeper.definitions d
        join jsonb_to_recordset(${sql.json(changed)}) as c(id integer, "right" jsonb) using (id)
       order by d.id for no key update of d)
    update viewkeeper.definitions d
       set scheduled_interval_seconds = (changed."right" ->> 0)::integer, promised_lag_seconds = (changed."right" ->> 1)::integer,
           promised_for = changed."right" ->> 2
      from changed where changed.id = d.id`
  return true
}

/** Makes all limits count from the end of a time in which nobody is told; null: it is over, perhaps sooner than planned. */
export async function expectFrom(sql: Sql, end: Date | null): Promise<void> {
  await sql`
    update viewkeeper.definitions set expected_since = coalesce(${end}::timestamptz, clock_timestamp())
     where removed_at is null
       and case when ${end}::timestamptz is null then expected_since > clock_timestamp() else expected_since is distinct from ${end} end`
}

/** The views with a schedule of their own, by name. */
export const readScheduled = (
  sql: Sql,
): Promise<(QualifiedName & Pick<ScheduledDefinition, 'schedule' | 'timeZone'>)[]> =>
  sql<(QualifiedName & Pick<ScheduledDefinition, 'schedule' | 'timeZone'>)[]>`
    select schema_name as schema, name, schedule, time_zone as "timeZone" from viewkeeper.definitions
     where time_zone is not null and removed_at is null order by 1, 2`
