import { durationOf, isOurs } from './ours.ts'
import { hasStatus, type Transition } from './transition.ts'

/** The work of a run is done. A run that only fills a twin is built. */
export const success: Transition = {
  from: ['running'],
  to: ['success', 'built'],
  proof: 'the server process that claimed the run has done the work in this transaction',
}

/** For the envelope: records the success of our runs. */
export const recordSuccess = `update viewkeeper.runs r set status = case when work ? 'builds' then 'built' else 'success' end, plan = null,
                 result = case when not work ? 'builds' then work ->> 'result' end,
                 finished_at = case when not work ? 'builds' then finished end, updated_at = finished,
                 built_at = case when work ? 'builds' then finished else r.built_at end, duration_ms = ${durationOf},
                 row_count_before = case r.id when run then coalesce(rows_before, r.row_count_before) else r.row_count_before end,
                 row_count_after = case r.id when run then coalesce(rows_after, r.row_count_after) else r.row_count_after end,
                 meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries))
           where ${isOurs} and ${hasStatus(success.from)}`
