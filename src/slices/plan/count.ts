import { answer, ours } from '../../rebuild/plan/check-data.ts'
import { found, type Mark } from '../../record/plan/slice-marks.ts'
import type { Seal, Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'

// What a refresh finds out about itself while it writes: in a setting of the transaction, because the record of the run is written at its end.

/** Adds a JSON object, an expression, to what the record of the run will say of slices. */
const noteFound = (object: string): string =>
  `select set_config('${found}', (coalesce(nullif(current_setting('${found}', true), ''), '{}')::jsonb || ${object})::text, true)`

/**
 * Notes how many rows of an incremental table this transaction has written, and others since all rows were computed last: what the server has counted by now, less
 * what refreshes have. Nobody knows the latter if a refresh has failed since the last success, or if the server counts anew. It counts seconds later, so
 * that what lacks now comes later. `last`: what the last success has noted.
 */
export const noteWritten = (oid: number, last: Partial<Mark> | null = null): Statement => {
  const { table, seen, written, others = 0, anew } = last ?? {}
  const before = anew === undefined ? Math.min(others, 0) : others
  const since =
    table === oid && seen !== undefined && written !== undefined
      ? `case when c.seen >= ${seen} then ${before - seen - written} + c.seen else 0 end`
      : '0'
  const counted = (of: string) =>
    ['inserted', 'updated', 'deleted'].map((what) => `pg_stat_get_${of}tuples_${what}(${oid})`).join(' + ')
  return {
    kind: 'command',
    phase: 'counting',
    sql: noteFound(
      `case when current_setting('track_counts')::boolean then (select jsonb_build_object('table', ${oid}, 'written', ${counted('xact_')}, 'seen', c.seen, 'others', ${since}) from (select ${counted('')} as seen, pg_stat_force_next_flush()) c) else '{}' end`,
    ),
    hidden: true,
  }
}

/** Asks a query about an incremental table, which `reads` it, for a JSON object, sealed as the owner of the view, and adds the object to what was found. */
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
