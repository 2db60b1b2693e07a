import type { Run } from '../api/answers.ts'
import { toldChecks } from '../rebuild/plan/check-data.ts'
import { duration, elapsed, whole } from '../sql/words.ts'
import type { Cell, Column, Fact } from './cell.ts'
import { signOfRun } from './sign.ts'

/** The table of runs. */
export const runColumns: Column<Run>[] = [
  { name: 'id', title: 'Run', cell: ({ id }) => ({ run: id }), number: true },
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'status', title: 'Status', cell: ({ status }) => ({ sign: signOfRun(status) }) },
  { name: 'time', title: 'When', cell: ({ requestedAt }) => ({ past: requestedAt }), leaveOut: 1 },
  { name: 'duration', title: 'Took', cell: tookOf, number: true, leaveOut: 2 },
  { name: 'rows', title: 'Rows', cell: rowsCell, number: true, leaveOut: 4 },
  { name: 'by', title: 'By', cell: byCell, pale: true, leaveOut: 5 },
  { name: 'result', title: 'Result', cell: resultCell, pale: true, least: 19, leaveOut: 3 },
]

/** What each check of a run found, and how long it took. */
export const checkFacts = (run: Pick<Run, 'checks' | 'durationMs'>): Fact[] =>
  toldChecks(run).map(([name, text], at) => [at === 0 ? 'checks' : '', `${name}: ${text}`])

function tookOf({ durationMs, progress }: Run): Cell {
  if (durationMs !== null) return duration(durationMs)
  return progress?.elapsedMs == null ? null : elapsed(progress.elapsedMs)
}

function rowsCell({ rowCountBefore, rowCountAfter }: Run): Cell {
  if (rowCountAfter === null) return null
  const changed = rowCountBefore !== null && rowCountBefore !== rowCountAfter
  return [changed ? { onPage: `${whole(rowCountBefore)} → ` } : null, whole(rowCountAfter)]
}

function byCell({ batchId, trigger, operation, attempt }: Run): Cell {
  return [
    batchId === null ? trigger : { batch: batchId, text: trigger },
    operation === 'refresh' ? null : `, ${operation}`,
    attempt > 1 ? `, attempt ${attempt}` : null,
  ]
}

/** Why a run did not do its work, in a few words; on the page also what it did. */
function resultCell({ error, status, result: { response } }: Run): Cell {
  if (error !== null)
    return [
      { code: error.class },
      error.sqlstate === undefined ? null : ` ${error.sqlstate}`,
      { onPage: ` ${error.message}` },
    ]
  if (status === 'skipped') return response.because ?? null
  return { onPage: response.strategy ?? response.because ?? null }
}
