import { hintsInPlace } from '../../catalog/plan/obstacles.ts'
import { unfoundQuery } from '../../rebuild/db/unfound.ts'
import { envelope } from '../../record/envelope/text.ts'
import { type RunRow, readSentRun } from '../../record/runs/runs.ts'
import type { Database, Sql } from '../../server/database.ts'
import { problemOf, problemOfSqlstate, standardText, statesThatSay } from '../../server/failures.ts'
import { readFix } from '../../server/own-rights.ts'
import { sendAhead } from '../../server/transactions.ts'
import { literal, onOneLine } from '../../sql/names.ts'
import { purposesOf, type RunPlan } from '../../sql/run-plan.ts'
import { makeSafe, safePath } from '../../sql/settings.ts'
import { mayRetry, Problem, type ProblemCode, problemCodes } from '../../words/problem.ts'

/** The session's setting with what the envelope has to know of failures. */
export const failuresSetting = 'viewkeeper.failures'

const ofEveryRun = {
  /** The class of a failure by its SQLSTATE, or by the first two characters of that. */
  classes: problemOfSqlstate,
  /** What is recorded instead of a message that may quote rows. */
  texts: standardText,
  /** Classes after which the same idempotency key may be used again. */
  retried: problemCodes.filter(mayRetry),
  unfoundStates: statesThatSay('names'),
  whole: statesThatSay('whole'),
  unfound: onOneLine(unfoundQuery),
}

/** What the envelope has to know of the failures of these plans, as JSON. `hints`: a query for what was done with a view. */
export const failuresOf = (...plans: RunPlan[]): string => {
  const purposes = purposesOf(...plans)
  return JSON.stringify({ ...ofEveryRun, hints: purposes.length > 0 ? hintsInPlace(purposes) : null })
}

/** A sent envelope: the server works on it, whether or not the client stays. */
export interface SentEnvelope {
  /**
   * Settles when the server has answered or the connection has broken. Neither proves how the run ended. The
   * Problem says what kept the run from being claimed: a missing right, or a server short of disk or memory.
   */
  answered: Promise<Problem | undefined>
  /** Closes the connection without canceling: the server works on. */
  leave(): Promise<void>
}

/** An envelope whose answer brings the record of its run along. */
export interface SentRun extends SentEnvelope {
  /** The record of the run after the server's answer; undefined if the connection broke. */
  record: Promise<RunRow | undefined>
}

/** What a session has to know of a recorded run. */
export interface RunWork {
  plan: RunPlan
  timeoutSeconds: number
}

/** Makes the session that of runs of one time limit, parents before children, as columns of a `select`. `ids` is an expression for their ids. */
export const takeRuns = (ids: string, work: RunWork, ...others: RunWork[]): string =>
  Object.entries({
    'viewkeeper.run': `${ids}::text`,
    [failuresSetting]: literal(failuresOf(...[work, ...others].map(({ plan }) => plan))),
    statement_timeout: `'${work.timeoutSeconds}s'`,
    ...(others.length > 0 && { 'viewkeeper.bundle': literal(work.plan.bundle ?? '') }),
  })
    .map(([name, value]) => `pg_catalog.set_config('${name}', ${value}, false)`)
    .join(', ')

/** The start-up settings of every run's connection. All strings: postgres.js would drop a numeric 0. */
export const startUp = {
  // Above 0 the server would end the run when the client has left.
  client_connection_check_interval: '0',
  // After the client has left, a notice would fail and roll the work back.
  client_min_messages: 'error',
  lock_timeout: '0',
  idle_session_timeout: '0',
  // Under repeatable read the run's end could not be recorded after somebody else had changed the run's row.
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  // Else the server would parse every statement of the envelope, also those that it never executes. The envelope turns it on again.
  check_function_bodies: 'off',
}

/** A connection that plans a run and sends it. */
export interface RunConnection {
  sql: Sql
  leave(): Promise<void>
}

/** What our own statements need, and a run must not have: they are short, and take longer to compile than to execute. */
const takeOurs = `select pg_catalog.set_config('lock_timeout', '5000', false), pg_catalog.set_config('jit', 'off', false)`

/** Works on a connection that has the settings of a run, so that the run can be sent over it, too. */
export const withRunConnection = <T>(
  database: Database,
  work: (connection: RunConnection) => Promise<T>,
  { name = 'viewkeeper', ...limits }: { name?: string; deadline: number; once?: boolean },
): Promise<T> =>
  database.withConnection(
    (sql, leave) => {
      sendAhead(sql, takeOurs)
      return work({ sql, leave })
    },
    { startUp: { ...startUp, application_name: name }, jit: true, writes: true, ...limits },
  )

/**
 * Sends the envelope of the run that the session was made that of (`takeRuns`), and asks for the record: all of it travels with
 * the message before.
 */
export function sendEnvelope({ sql, leave }: RunConnection): SentRun {
  sendAhead(sql, 'reset lock_timeout')
  const { answered } = execute(sql, envelope)
  // Code of the view may have set another path.
  sendAhead(sql, `set search_path to ${safePath}`)
  const record = readSentRun(sql).catch(() => undefined)
  return { answered, record, leave }
}

/** Sends the envelope of a recorded run. If the first message fails, the envelope has no run id and does nothing. */
export function sendRun(connection: RunConnection, runId: number, work: RunWork): SentRun {
  sendAhead(connection.sql, `select ${takeRuns(String(runId), work)}`)
  return sendEnvelope(connection)
}

/** Takes back the settings of a run that the server has not claimed: the connection may plan again. Travels with the next message. */
export const takeBack = ({ sql }: RunConnection): void =>
  sendAhead(sql, `reset all; ${makeSafe}; ${takeOurs}`)

/** What an envelope fails with before it has claimed its run, besides what another try may find changed. */
const keptFromClaim = new Set<ProblemCode>(['InsufficientPrivilege', 'DiskFull', 'InsufficientResources'])

/** Sends an envelope. `executed` fails as the envelope does. */
export function execute(
  sql: Sql,
  text: string,
): { executed: Promise<unknown>; answered: Promise<Problem | undefined> } {
  const executed = sql.unsafe(text).simple().execute()
  const answered = executed.then(
    () => undefined,
    async (error) => {
      // A broken connection or a stopped server: the run's row and session tell how the run stands.
      const problem = problemOf(error, await readFix(sql, error))
      return problem instanceof Problem && keptFromClaim.has(problem.code) ? problem : undefined
    },
  )
  return { executed, answered }
}
