import type { Batch } from '../../db/batches/batches.ts'
import type { Progress } from '../../db/runs/history.ts'
import type { Run } from '../../db/runs/runs.ts'
import { type Result, resultOf } from '../../operations/runs/result.ts'
import { Problem } from '../../problem.ts'
import { type HttpAnswer, json, problemAnswer } from './http.ts'

/** How a result is answered over HTTP: 200 finished, 202 and where to look while it runs, a problem where it failed. */
export function resultAnswer(result: Result): HttpAnswer {
  if (result.status === 'running') return json(202, result, { location: `/runs/${result.runId}` })
  if (result.error === undefined) return json(200, result)
  const { class: code, message, sqlstate, hint, runningRunId } = result.error
  const said = sqlstate === undefined ? message : `${result.view}: ${message} (${sqlstate})`
  const detail = hint === undefined ? said : `${said}. ${hint}`
  return problemAnswer(new Problem(code, detail, { runId: result.runId, runningRunId, sqlstate }))
}

/** A run as the API shows it: its own status, and the answer that its operation gives as `result`. */
export function runBody(run: Run & { progress?: Progress }) {
  const { meta: _meta, result: _result, definitionId: _definition, ...shown } = run
  return { ...shown, result: resultOf(run) }
}

/** A batch as the API shows it: without what only the server needs. */
export function batchBody<Shown extends Batch>({ serial: _serial, ...shown }: Shown): Omit<Shown, 'serial'> {
  return shown
}
