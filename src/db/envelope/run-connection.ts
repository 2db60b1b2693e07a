import { makeSafe } from '../../plan/search-path.ts'
import { Problem } from '../../problem.ts'
import type { Company } from '../life/company.ts'
import type { Database, Sql } from '../server/connect.ts'
import { readCure } from '../server/cure.ts'
import { problemOf } from '../server/failures.ts'
import { reservedKeys } from '../server/lock-keys.ts'
import { envelopes } from './text.ts'

/** A sent envelope: the server works on it, whether or not the client stays. */
export interface SentEnvelope {
  /**
   * Settles when the server has answered or the connection has broken. Neither proves how the run ended. The
   * Problem names the missing right if a missing right kept the run from being claimed.
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
const startUp = {
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
  /** Sends the envelope of a run. A connection sends one envelope only. `company`: `others` in a batch, else `companyOf` the plan. */
  send(runId: number, timeoutSeconds: number, company: Company): SentEnvelope
  leave(): Promise<void>
}

/** Opens a connection for a run. */
export async function openForRun(database: Database): Promise<RunConnection> {
  return forOneRun(await database.open(waiting))
}

const waiting = { ...startUp, application_name: 'viewkeeper waiting' }
const noRun = `pg_catalog.set_config('viewkeeper.run', '${reservedKeys.warmUp}', false)`

/** Opens a connection ahead of its run, and executes an envelope without a run there: that fills the session's caches. */
export async function openRunConnection(database: Database): Promise<RunConnection> {
  const connection = await database.open(waiting)
  try {
    for (const text of [`select ${noRun}`, envelopes.others, 'reset all', makeSafe])
      await connection.sql.unsafe(text).simple()
  } catch (error) {
    await connection.leave()
    throw problemOf(error)
  }
  return forOneRun(connection)
}

const forOneRun = ({ sql, leave }: Awaited<ReturnType<Database['open']>>): RunConnection => ({
  send(runId, timeoutSeconds, company) {
    const settings = Object.entries(settingsOf(runId, timeoutSeconds))
    const set = settings.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`)
    // Two messages without waiting between: if the first one fails, the envelope has no run id and does nothing.
    const prepared = sql
      .unsafe(`select ${set.join(', ')}`)
      .simple()
      .execute()
    prepared.catch(() => {})
    return { answered: execute(sql, envelopes[company]), leave }
  },
  leave,
})

async function execute(sql: Sql, envelope: string): Promise<Problem | undefined> {
  try {
    await sql.unsafe(envelope).simple()
    return undefined
  } catch (error) {
    // A broken connection or a stopped server: the run's row and lock tell how the run stands.
    const problem = problemOf(error, await readCure(sql, error))
    return problem instanceof Problem && problem.code === 'InsufficientPrivilege' ? problem : undefined
  }
}
