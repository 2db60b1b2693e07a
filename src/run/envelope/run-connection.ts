import { hintsInPlace } from '../../catalog/plan/obstacles.ts'
import { mayRetry, Problem, type ProblemCode, problemCodes } from '../../problem.ts'
import { unfoundQuery, unfoundStates } from '../../rebuild/db/unfound.ts'
import type { Database, Sql } from '../../server/connect.ts'
import { problemOf, problemOfSqlstate, standardText } from '../../server/failures.ts'
import { reservedKeys } from '../../server/lock-keys.ts'
import { readFix } from '../../server/rights.ts'
import { sendAhead } from '../../server/transactions.ts'
import { literal } from '../../sql/names.ts'
import { type Plan, purposesOf } from '../../sql/plan.ts'
import { loginSettings, makeSafe, safePath } from '../../sql/settings.ts'
import { onOneLine } from '../../sql/words.ts'
import { type Run, readSentRun } from '../db/runs.ts'
import { envelope } from './text.ts'

/**
 * The same as a procedure of one session, for a connection that sends the envelopes of several runs: the server reads and
 * plans the text once, which is most of what an envelope costs. Code of a view may neither replace nor call the procedure,
 * because both belong to our login. Names in its text mean the catalog's objects: a cached plan is made anew under another path.
 */
export const sessionEnvelope = {
  make:
    `${envelope.replace(/^do/, 'create procedure pg_temp.viewkeeper_envelope() language plpgsql as')}; ` +
    'revoke all on procedure pg_temp.viewkeeper_envelope() from public',
  call: 'call pg_temp.viewkeeper_envelope()',
  /** Code of a view may make another one of the same name: then the call means neither. */
  count: `select count(*)::integer as envelopes from pg_catalog.pg_proc
           where proname = 'viewkeeper_envelope' and pronamespace = pg_catalog.pg_my_temp_schema()`,
}

/** The session's setting with what the envelope has to know of failures. */
export const failuresSetting = 'viewkeeper.failures'

const ofEveryRun = {
  /** The class of a failure by its SQLSTATE, or by the first two characters of that. */
  classes: problemOfSqlstate,
  /** What is recorded instead of a message that may quote rows. */
  texts: standardText,
  /** Classes after which the same idempotency key may be used again. */
  retried: problemCodes.filter(mayRetry),
  unfoundStates,
  /** A limit of the server's configuration; a login without a password at a foreign server. */
  whole: ['53400', '2F003'],
  unfound: onOneLine(unfoundQuery),
}

/** What the envelope has to know of the failures of this plan, as JSON. `hints`: a query for what was done with a view. */
export const failuresOf = (plan: Plan): string => {
  const purposes = purposesOf(plan)
  const key = purposes.join()
  const known = written.get(key)
  if (known !== undefined) return known
  const hints = purposes.length > 0 ? hintsInPlace(purposes) : null
  const text = JSON.stringify({ ...ofEveryRun, hints })
  written.set(key, text)
  return text
}

/** The same, by purposes: a batch asks for it at each of its runs. */
const written = new Map<string, string>()

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
  record: Promise<Run | undefined>
}

/** What a session has to know of a recorded run. */
export interface Work {
  plan: Plan
  timeoutSeconds: number
}

/** Makes the session that of a run, as columns of a `select`. `id` is an expression for the run's id. */
export const takeRun = (id: string, { plan, timeoutSeconds }: Work): string =>
  Object.entries({
    'viewkeeper.run': `${id}::text`,
    [failuresSetting]: literal(failuresOf(plan)),
    application_name: `'viewkeeper run ' || ${id}`,
    statement_timeout: `'${timeoutSeconds * 1000}'`,
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

/** A connection for several runs of a batch, one after the other. */
export interface BatchConnection {
  /** Sends the envelope of a recorded run. */
  send(runId: number, work: Work): SentEnvelope
  /** Records a run by `record`, which gets columns of a `select` as `takeRun` makes them, and sends its envelope, in one message. */
  start<Id>(
    work: Work,
    record: (sql: Sql, take: (id: string) => string) => Id,
  ): { recorded: Id } & SentEnvelope
  /**
   * Takes back the settings and locks of a run whose envelope was answered, so that another run may follow. Fails if none may:
   * the connection is broken, or code of the view has made the call of the envelope ambiguous. What code of the view may have
   * left besides stays: connections of `dblink` and `postgres_fdw`, and the globals of `plperl` and its like. So the next run is one
   * of the same owner's. A cancel cannot meet the next run: its session holds the row of the run, which can end only afterwards.
   */
  reset(): Promise<void>
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
    { startUp: { ...startUp, application_name: name }, jit: true, ...limits },
  )

/**
 * Sends the envelope of the run that the session was made that of (`takeRun`), and asks for the record: all of it travels with
 * the message before.
 */
export function sendEnvelope({ sql, leave }: RunConnection): SentRun {
  sendAhead(sql, 'reset lock_timeout')
  const answered = execute(sql, envelope)
  // Code of the view may have set another path.
  sendAhead(sql, `set search_path to ${safePath}`)
  const record = readSentRun(sql).catch(() => undefined)
  return { answered, record, leave }
}

/** Sends the envelope of a recorded run. If the first message fails, the envelope has no run id and does nothing. */
export function sendRun(connection: RunConnection, runId: number, work: Work): SentRun {
  sendAhead(connection.sql, `select ${takeRun(String(runId), work)}`)
  return sendEnvelope(connection)
}

/** Takes back the settings of a run that the server has not claimed: the connection may plan again. Travels with the next message. */
export const takeBack = ({ sql }: RunConnection): void =>
  sendAhead(sql, `reset all; ${makeSafe}; ${takeOurs}`)

const waiting = { ...startUp, application_name: 'viewkeeper waiting' }
/**
 * The server plans each statement of the envelope once, not for each of its first five executions anew; queries of views are planned
 * as the login has it.
 */
const planOnce = `
  select set_config('${loginSettings}', (current_setting('${loginSettings}')::jsonb
    || jsonb_build_object('plan_cache_mode', current_setting('plan_cache_mode')))::text, false);
  set plan_cache_mode to force_generic_plan`
const noRun = `pg_catalog.set_config('viewkeeper.run', '${reservedKeys.warmUp}', false), pg_catalog.set_config('${failuresSetting}', '{}', false)`

/**
 * Opens a connection for runs of a batch, and executes an envelope without a run there: that fills the session's caches. A login
 * that may make nothing temporary sends the whole text each time.
 */
export async function openForBatch(database: Database): Promise<BatchConnection> {
  const connection = await database.open(waiting)
  const { sql, leave } = connection
  const say = (text: string) => sql.unsafe(text).simple()
  try {
    const made: number = await say(sessionEnvelope.make).then(
      () => 1,
      () => 0,
    )
    const text = made ? sessionEnvelope.call : envelope
    const reset = async () => {
      const found = say(
        `reset all; ${makeSafe}; ${planOnce}; select pg_catalog.pg_advisory_unlock_all(); ${sessionEnvelope.count}`,
      )
      const [row] = ((await found) as unknown as { envelopes: number }[][]).at(-1)!
      if (row?.envelopes !== made) throw new Error('The call of the envelope is ambiguous.')
    }
    await say(`select ${noRun}`)
    await say(text)
    let isReset = reset()
    await isReset
    const send = () => {
      const answered = execute(sql, text)
      isReset = reset()
      isReset.catch(() => {})
      return { answered, leave }
    }
    return {
      send(runId, work) {
        sendAhead(sql, `select ${takeRun(String(runId), work)}`)
        return send()
      },
      start: (work, record) => ({ recorded: record(sql, (id) => takeRun(id, work)), ...send() }),
      reset: () => isReset,
      leave,
    }
  } catch (error) {
    await leave()
    throw problemOf(error)
  }
}

/** What an envelope fails with before it has claimed its run, besides what another try may find changed. */
const keptFromClaim = new Set<ProblemCode>(['InsufficientPrivilege', 'DiskFull', 'InsufficientResources'])

async function execute(sql: Sql, text: string): Promise<Problem | undefined> {
  try {
    await sql.unsafe(text).simple().execute()
    return undefined
  } catch (error) {
    // A broken connection or a stopped server: the run's row and lock tell how the run stands.
    const problem = problemOf(error, await readFix(sql, error))
    return problem instanceof Problem && keptFromClaim.has(problem.code) ? problem : undefined
  }
}
