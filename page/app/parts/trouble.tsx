import { runbookOf } from '../../../src/sql/runbook.ts'
import type { ApiProblem } from '../api/problem.ts'

/** Why something cannot be shown, and what to do. */
export const Trouble = ({ problem }: { problem: ApiProblem }) => (
  <div class="trouble" role="alert">
    <strong>{problem.title}</strong>
    <p>{problem.message}</p>
    {problem.runbook && <p class="hint">{runbookOf(problem.runbook)}</p>}
  </div>
)
