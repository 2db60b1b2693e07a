import { Problem, type ProblemCode } from '../../problem.ts'
import type { Database, Sql } from '../../server/connect.ts'
import { problemOf } from '../../server/failures.ts'
import { reservedKeys } from '../../server/lock-keys.ts'
import { readFix } from '../../server/missing-rights.ts'
import { makeSafe } from '../../sql/search-path.ts'
import type { EnvelopeVariant } from '../life/ours.ts'
import { envelopes, sessionEnvelope } from './text.ts'

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

/** What differs between runs, as settings of the session. */
const settingsOf = (runId: number, timeoutSeconds: number) => ({
  'viewkeeper.run': String(runId),
  application_name: `viewkeeper run ${runId}`,
  statement_timeout: String(timeoutSeconds * 1000),
})

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

/** A connection that waits for its one run. */
export interface RunConnection {
  /** Sends the envelope of a run, once. `variant`: `variantOf` the plan. */
  send(runId: number, timeoutSeconds: number, variant: EnvelopeVariant): SentEnvelope
  leave(): Promise<void>
}

/** A connection for several runs of a batch, one after the other. */
export interface BatchConnection {
  /** Sends the envelope of a run. */
  send(runId: number, timeoutSeconds: number): SentEnvelope
  /**
   * Takes back the settings and locks of a run whose envelope was answered, so that another run may follow. Fails if none may:
   * the connection is broken, or code of the view has made the call of the envelope ambiguous. What code of the view may have left besides stays: connections of `dblink` and `postgres_fdw`, and the
   * globals of `plperl` and its like. So the next run is one of the same owner's. A cancel cannot meet the next run: whoever
   * signals holds the row of the run, which can end only afterwards.
   */
  reset(): Promise<void>
  leave(): Promise<void>
}

/** Opens a connection for a run. */
export async function openForRun(database: Database): Promise<RunConnection> {
  const connection = await database.open(waiting)
  return {
    send: (runId, seconds, variant) => send(connection, runId, seconds, envelopes[variant]),
    leave: connection.leave,
  }
}

const waiting = { ...startUp, application_name: 'viewkeeper waiting' }
const noRun = `pg_catalog.set_config('viewkeeper.run', '${reservedKeys.warmUp}', false)`

/**
 * Opens a connection for runs of a batch, and executes an envelope without a run there: that fills the session's caches. A login
 * that may make nothing temporary sends the whole text each time.
 */
export async function openForBatch(database: Database): Promise<BatchConnection> {
  const connection = await database.open(waiting)
  const { sql, leave } = connection
  const say = (text: string) => sql.unsafe(text).simple()
  try {
    const made = await say(sessionEnvelope.make).then(
      () => 1,
      () => 0,
    )
    const envelope = made ? sessionEnvelope.call : envelopes.full
    const reset = async () => {
      await say(`reset all; ${makeSafe}; select pg_catalog.pg_advisory_unlock_all()`)
      const [row] = await say(sessionEnvelope.count)
      if (row?.envelopes !== made) throw new Error('The call of the envelope is ambiguous.')
    }
    await say(`select ${noRun}`)
    await say(envelope)
    await reset()
    return { send: (runId, seconds) => send(connection, runId, seconds, envelope), reset, leave }
  } catch (error) {
    await leave()
    throw problemOf(error)
  }
}

function send(
  { sql, leave }: Awaited<ReturnType<Database['open']>>,
  runId: number,
  timeoutSeconds: number,
  envelope: string,
): SentEnvelope {
  const settings = Object.entries(settingsOf(runId, timeoutSeconds))
  const set = settings.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`)
  // Two messages without waiting between: if the first one fails, the envelope has no run id and does nothing.
  const prepared = sql
    .unsafe(`select ${set.join(', ')}`)
    .simple()
    .execute()
  prepared.catch(() => {})
  return { answered: execute(sql, envelope), leave }
}

/** What an envelope fails with before it has claimed its run, besides what another try may find changed. */
const keptFromClaim = new Set<ProblemCode>(['InsufficientPrivilege', 'DiskFull', 'InsufficientResources'])

async function execute(sql: Sql, envelope: string): Promise<Problem | undefined> {
  try {
    await sql.unsafe(envelope).simple()
    return undefined
  } catch (error) {
    // A broken connection or a stopped server: the run's row and lock tell how the run stands.
    const problem = problemOf(error, await readFix(sql, error))
    return problem instanceof Problem && keptFromClaim.has(problem.code) ? problem : undefined
  }
}
