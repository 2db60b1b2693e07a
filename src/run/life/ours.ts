import type { Plan } from '../../sql/plan.ts'

/**
 * What a run may have around it. `short`: no batch, no other members of a group, and no shadow that a later run exchanges. A
 * shorter envelope does for such a run, and claims no other run: `isAlone` in `claim.ts` says the same in SQL.
 */
export type EnvelopeVariant = 'short' | 'full'

/** The variant of a run that is in no batch. */
export const variantOf = ({ members, builds }: Plan): EnvelopeVariant =>
  members === undefined && builds === undefined ? 'short' : 'full'

/** For the envelope: run `run` and, if it refreshes a group, the runs of the other members. */
export const isNamed = (variant: EnvelopeVariant): string =>
  variant === 'short' ? 'r.id = run' : '(r.id = run or r.group_run_id = run)'

/** For the envelope: the runs that this server process works on. They begin and end together. */
export const isOurs = (variant: EnvelopeVariant): string =>
  `${isNamed(variant)} and r.backend_pid = pg_backend_pid() and r.backend_start = me_since`

const whole = 'extract(epoch from finished - started) * 1000'

/**
 * For the envelope: the duration of a run; of another member of a group, the time of its own statements. A built shadow has
 * its duration already.
 */
export const durationOf = (variant: EnvelopeVariant): string =>
  variant === 'short'
    ? whole
    : `case when r.built_at is not null then r.duration_ms::float8 when r.id = run then ${whole}
                                 else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                            where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end`

/** For the envelope: a count of rows, which belongs to run `run` only. */
export const countOf = (
  column: 'row_count_before' | 'row_count_after',
  counted: string,
  variant: EnvelopeVariant,
): string => {
  const counts = `coalesce(${counted}, r.${column})`
  return variant === 'short' ? counts : `case r.id when run then ${counts} else r.${column} end`
}
