import {
  closeUnclaimed,
  type EndedAtOnce,
  type RunError,
  type RunRequest,
  type RunResponse,
  recordEnded,
  replan,
  skipUnclaimed,
  startRun,
} from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { problemOf } from '../../db/server/failures.ts'
import { type Plan, statementsOf } from '../../plan/plan.ts'
import { Problem, type ProblemCode } from '../../problem.ts'

/** What was planned for a run: the statements, what else the record says, and the run's whole time. */
export interface Planned {
  plan: Plan
  response: RunResponse
  timeoutSeconds: number
}

/** There is nothing to do, for this reason. */
export type Skipped = Extract<EndedAtOnce, { status: 'skipped' }>

export const skipped = (because: string): Skipped => ({ status: 'skipped', because })

/** The view is not at fault: the database cannot be worked with now. Whoever asked tries again later. */
const unreachable: ProblemCode[] = ['DatabaseUnavailable', 'CredentialsRefused', 'NotDirect', 'NotMigrated']

/** Looks at the view as it is now, and plans. A Problem that it throws is a refusal. */
export type Planning<P extends Planned = Planned> = () => Promise<P | Skipped>

/** Plans. A plan that is refused (a Problem) is a run that ends at once, as failed. */
export async function planOrEnd<P extends Planned>(planning: Planning<P>): Promise<P | EndedAtOnce> {
  try {
    return await planning()
  } catch (thrown) {
    const problem = problemOf(thrown)
    if (!(problem instanceof Problem) || unreachable.includes(problem.code)) throw problem
    return { status: 'failed', error: runErrorOf(problem) }
  }
}

/**
 * Writes the pending run with its plan, or the plan into the run that is `pending` already. Gives the run's id. Null if
 * another run has the idempotency key or the attempt, if `provided` does not hold, or if the pending run was claimed meanwhile.
 */
export async function recordPlan(
  sql: Sql,
  run: RunRequest,
  { plan, response }: Planned,
  { pending = null, provided }: { pending?: number | null; provided?: Parameters<typeof startRun>[4] } = {},
): Promise<number | null> {
  const said = { ...response, sql: statementsOf(plan) }
  if (pending === null) return startRun(sql, run, plan, said, provided)
  return (await replan(sql, pending, plan, said)) ? pending : null
}

/** Records how a run ended that the server never worked on. As recordPlan; one that was claimed meanwhile goes on. */
export async function recordEnd(
  sql: Sql,
  run: RunRequest,
  end: EndedAtOnce,
  pending: number | null = null,
): Promise<number | null> {
  if (pending === null) return recordEnded(sql, run, end)
  if (end.status === 'failed') await closeUnclaimed(sql, pending, end.error)
  else await skipUnclaimed(sql, pending, end.because)
  return pending
}

/** A Problem as a run's record has it. */
export const runErrorOf = ({ code, message, details }: Problem): RunError => ({
  class: code,
  message,
  ...(details.sqlstate === undefined ? {} : { sqlstate: details.sqlstate }),
})
