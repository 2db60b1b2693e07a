import { countOf, durationOf, type EnvelopeVariant, isOurs } from './ours.ts'
import { hasStatus, type Transition } from './transition.ts'

/** The work of a run is done. A run that only fills a shadow is built. */
export const success: Transition = {
  from: ['running'],
  to: ['success', 'built'],
  proof: 'the server process that claimed the run has done the work in this transaction',
}

const isWhole = `status = 'success', result = work ->> 'result', finished_at = finished`
const mayBeShadow = `status = case when work ? 'builds' then 'built' else 'success' end,
                 result = case when not work ? 'builds' then work ->> 'result' end,
                 finished_at = case when not work ? 'builds' then finished end,
                 built_at = case when work ? 'builds' then finished else r.built_at end`

/** For the envelope: records the success of our runs. */
export const recordSuccess = (
  variant: EnvelopeVariant,
): string => `update viewkeeper.runs r set ${variant === 'short' ? isWhole : mayBeShadow},
                 (as_of, held_back_by, inputs, filled, touched) = (
                   select case when s.key is null then r.as_of else (s.value ->> 'asOf')::timestamptz end,
                          case when s.key is null then r.held_back_by else s.value ->> 'heldBackBy' end,
                          case when s.key is null then r.inputs else nullif(s.value -> 'inputs', 'null') end,
                          case when s.key is null then r.filled else viewkeeper.filling(s.key::oid) end,
                          (select c.xmin::text from pg_class c where c.oid = coalesce(s.key, split_part(r.filled, ' ', 2))::oid)
                     from (select) one left join jsonb_each(seen) s on s.value -> 'view' = jsonb_build_array(r.schema_name, r.view_name)),
                 plan = null, updated_at = finished, duration_ms = ${durationOf(variant)},
                 row_count_before = ${countOf('row_count_before', 'rows_before', variant)},
                 row_count_after = ${countOf('row_count_after', 'rows_after', variant)},
                 meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response
                   || jsonb_strip_nulls(jsonb_build_object('attempts', tries,
                     'lockedMs', round(extract(epoch from finished - locked_since) * 1000), 'fillMs', round(fill_ms))))
           where ${isOurs(variant)} and ${hasStatus(success.from)}`
