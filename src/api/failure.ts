import { readFailedRun } from '../record/runs/went-wrong.ts'
import type { Result } from '../run/call.ts'
import { withDeadline } from '../server/failures.ts'
import { causeOf, runCause, wholeCause } from '../watch/diagnosis/run-cause.ts'
import { command } from '../words/commands.ts'
import { Problem, sentences } from '../words/problem.ts'
import type { RunError } from '../words/run.ts'
import type { Served } from './route.ts'

/** Why an operation did not succeed, in the words of `why`, and what to type next. */
export async function failureOf(
  { runId, view, operation }: Result,
  error: RunError,
  { database, typed }: Pick<Served, 'database' | 'typed'>,
): Promise<Problem> {
  const { class: code, message, sqlstate, detail, hint, runningRunId } = error
  const details = { detail, hint, runId, runningRunId, sqlstate }
  if (runningRunId !== undefined) {
    const next = command(['runs', String(runningRunId), '--watch'], typed)
    return new Problem(code, message, { ...details, whole: sentences(message, detail, hint), next })
  }
  const read = database.withConnection((sql) => readFailedRun(sql, runId), { once: true })
  const failed = await withDeadline(
    read,
    Date.now() + longestReadMs,
    'The read of the cause took too long',
  ).catch(() => undefined)
  const cause = failed
    ? causeOf(failed, typed)
    : runCause(
        { view, lastSuccessAt: null, populated: false },
        { id: runId, operation, status: 'failed', error },
        { typed, clock: String, longest: Infinity },
      )
  const next = cause.next ?? undefined
  return new Problem(code, cause.text, { ...details, whole: wholeCause(cause, error), next })
}

/** If the server is away by now, the answer is not: it lacks the moments of the failure and of what readers see. */
const longestReadMs = 2000
