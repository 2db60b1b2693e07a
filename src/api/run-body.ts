import { resultOf } from '../run/call.ts'
import type { ExplainedRun } from '../watch/read.ts'

/** A run as the API shows it: the record, and the answer of its operation as `result`. The error is told once. */
export function runBody(run: ExplainedRun) {
  const { meta: _meta, result: _result, definitionId: _definition, ...shown } = run
  const { error: _error, ...result } = resultOf(run)
  return { ...shown, result }
}
