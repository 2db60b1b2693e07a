import type { Batch } from '../batch/db/batches.ts'
import { Problem, sentences } from '../problem.ts'
import type { Progress } from '../run/db/history.ts'
import type { Run } from '../run/db/runs.ts'
import { type Result, resultOf } from '../run/result.ts'
import { type HttpAnswer, json, problemAnswer } from './http.ts'
import type { Result as ResultAnswer } from './schemas/answers.ts'

/**
 * Answers a result over HTTP: 202 with the run's location while the run goes on, then 200, or a problem if it
 * failed.
 */
export function resultAnswer(result: Result): HttpAnswer {
  if (result.status === 'running')
    return json<ResultAnswer>(202, result, { location: `/runs/${result.runId}` })
  if (result.error === undefined) return json<ResultAnswer>(200, result)
  const { class: code, message, sqlstate, detail, hint, runningRunId } = result.error
  const what = sqlstate === undefined ? message : `${result.view}: ${message} (${sqlstate})`
  return problemAnswer(
    new Problem(code, sentences(what, detail, hint), { runId: result.runId, runningRunId, sqlstate }),
  )
}

/** A run as the API shows it: the record, and the answer of its operation as `result`. The error is told once. */
export function runBody(run: Run & { progress?: Progress }) {
  const { meta: _meta, result: _result, definitionId: _definition, ...shown } = run
  const { error: _error, ...result } = resultOf(run)
  return { ...shown, result }
}

/** A batch as the API shows it: without the number that only the database uses. */
export function batchBody<Shown extends Batch>({ serial: _serial, ...shown }: Shown): Omit<Shown, 'serial'> {
  return shown
}
