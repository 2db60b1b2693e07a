import type { Progress } from '../run/db/history.ts'
import type { Run } from '../run/db/runs.ts'
import { resultOf } from '../run/result.ts'

/** A run as the API shows it: the record, and the answer of its operation as `result`. The error is told once. */
export function runBody(run: Run & { progress?: Progress }) {
  const { meta: _meta, result: _result, definitionId: _definition, ...shown } = run
  const { error: _error, ...result } = resultOf(run)
  return { ...shown, result }
}
