import type { Operation, RunError } from '../catalog/plan/run.ts'
import type { Run, RunResponse } from './db/runs.ts'

/** The answer of an operation, the same for every caller and however long the caller waited. */
export interface Result {
  runId: number
  view: string
  operation: Operation
  status: 'created' | 'updated' | 'deleted' | 'skipped' | 'running' | 'error'
  request: Record<string, unknown>
  response: RunResponse & {
    view: string
    rowCountBefore: number | null
    rowCountAfter: number | null
    durationMs: number | null
  }
  /** The answer is the run of an earlier request: one that goes on, or ended within the view's minimum interval. */
  coalesced?: true
  error?: RunError
}

/** The answer that a run's record gives at this moment. */
export function resultOf(run: Run): Result {
  return {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    status: statusOf(run),
    request: run.meta.request,
    response: {
      view: run.view,
      ...run.meta.response,
      rowCountBefore: run.rowCountBefore,
      rowCountAfter: run.rowCountAfter,
      durationMs: run.durationMs,
    },
    ...(run.error === null ? {} : { error: run.error }),
  }
}

function statusOf(run: Run): Result['status'] {
  switch (run.status) {
    case 'pending':
    case 'running':
    case 'built':
      return 'running'
    case 'success':
      return run.result as Result['status']
    case 'skipped':
      return 'skipped'
    default:
      return 'error'
  }
}
