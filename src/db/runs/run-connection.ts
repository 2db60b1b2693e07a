import { Problem } from '../../problem.ts'
import type { Database, Sql } from '../server/connect.ts'
import { problemOf } from '../server/failures.ts'
import { reservedKeys } from '../server/lock-keys.ts'
import { envelopeText } from './envelope.ts'

/** An envelope on its way: the server works on it, whether or not we stay. */
export interface SentEnvelope {
  /**
   * Settles when the server has answered or the connection has broken; how it settled proves nothing about the run,
   * but says why nobody claimed it where we lack a right.
   */
  answered: Promise<Problem | undefined>
  /** Leaves: closes the connection without cancelling. The server goes on by itself. */
  leave(): Promise<void>
}

/** What differs from run to run, as settings of its session. */
const settingsOf = (runId: number, timeoutSeconds: number) => ({
  'viewkeeper.run': String(runId),
  application_name: `viewkeeper run ${runId}`,
  statement_timeout: String(timeoutSeconds * 1000),
})

/** The start-up settings of every run's connection. All strings: postgres.js would drop a numeric 0. */
const startUp = {
  // Above 0 the server would look whether we are still there, and end the run when we are not.
  client_connection_check_interval: '0',
  // A notice to a client that has left would roll the work back.
  client_min_messages: 'error',
  lock_timeout: '0',
  idle_session_timeout: '0',
  // Under repeatable read the record could not be written after anybody touched its row.
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
}

/** A connection that waits for its one run. */
export interface RunConnection {
  /** Sends the envelope of a run. Once only: one envelope per connection, never a second one. */
  send(runId: number, timeoutSeconds: number): SentEnvelope
  leave(): Promise<void>
}

/** Opens a connection for a run. */
export async function openForRun(database: Database): Promise<RunConnection> {
  return forOneRun(await database.open(waiting))
}

const waiting = { ...startUp, application_name: 'viewkeeper waiting' }
const noRun = `pg_catalog.set_config('viewkeeper.run', '${reservedKeys.warmUp}', false)`

/** The same ahead of the run, so that no time is lost when its turn has come: it does an envelope of no run, which fills its caches. */
export async function openRunConnection(database: Database): Promise<RunConnection> {
  const connection = await database.open(waiting)
  try {
    for (const text of [`select ${noRun}`, envelopeText, 'reset all'])
      await connection.sql.unsafe(text).simple()
  } catch (error) {
    await connection.leave()
    throw problemOf(error)
  }
  return forOneRun(connection)
}

const forOneRun = ({ sql, leave }: Awaited<ReturnType<Database['open']>>): RunConnection => ({
  send(runId, timeoutSeconds) {
    const settings = Object.entries(settingsOf(runId, timeoutSeconds))
    const set = settings.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`)
    // One message after the other without waiting between: where the first fails, the envelope lacks its run's id.
    const prepared = sql
      .unsafe(`select ${set.join(', ')}`)
      .simple()
      .execute()
    prepared.catch(() => {})
    return { answered: execute(sql), leave }
  },
  leave,
})

async function execute(sql: Sql): Promise<Problem | undefined> {
  try {
    await sql.unsafe(envelopeText).simple()
    return undefined
  } catch (error) {
    // A broken connection or a server that stopped: the run record and the run's lock tell what became of it.
    const problem = problemOf(error)
    return problem instanceof Problem && problem.code === 'InsufficientPrivilege' ? problem : undefined
  }
}
