import { answer, ours } from '../../rebuild/plan/check-data.ts'
import { found } from '../../record/plan/slice-marks.ts'
import type { Seal, Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'

// What a refresh finds out about itself while it writes: in a setting of the transaction, because the record of the run is written at its end.

/** Adds a JSON object, an expression, to what the record of the run will say of slices. */
const noteFound = (object: string): string =>
  `select set_config('${found}', (coalesce(nullif(current_setting('${found}', true), ''), '{}')::jsonb || ${object})::text, true)`

/** Notes how many rows of a kept table this transaction has written. */
export const noteWritten = (oid: number): Statement => ({
  kind: 'command',
  phase: 'counting',
  sql: noteFound(
    `case when current_setting('track_counts')::boolean then jsonb_build_object('written', pg_stat_get_xact_tuples_inserted(${oid}) + pg_stat_get_xact_tuples_updated(${oid}) + pg_stat_get_xact_tuples_deleted(${oid})) else '{}' end`,
  ),
  hidden: true,
})

/** Asks a query about a kept table, which `reads` it, for a JSON object, sealed as the owner of the view, and adds the object to what was found. */
export const findOut = (relation: QualifiedName, seal: Seal, query: string, reads: string): Statement[] => [
  {
    ...ours(query, relation),
    phase: 'counting',
    kind: 'asked',
    seal,
    reads,
    computesRows: true,
  },
  { ...ours(noteFound(`(${answer} - 'ms')`), relation), phase: 'counting' },
]
