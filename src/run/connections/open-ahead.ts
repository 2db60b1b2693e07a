import { envelope } from '../../record/envelope/text.ts'
import { noRun } from '../../record/runs/runs.ts'
import type { Database } from '../../server/database.ts'
import { problemOf } from '../../server/failures.ts'
import { sendAhead } from '../../server/transactions.ts'
import { literal } from '../../sql/names.ts'
import { loginSettings, makeSafe } from '../../sql/settings.ts'
import { Problem } from '../../words/problem.ts'
import {
  execute,
  failuresSetting,
  type RunWork,
  type SentEnvelope,
  startUp,
  takeRuns,
} from './run-connection.ts'

/** Connections for runs of a batch, opened before they are needed. Each has runs of one owner only. */
export interface OpenedAhead {
  /** Gives a connection for a run that may execute the code of this owner; null: of several. Undefined while the server lets no more in. */
  take(owner: string | null): Promise<BatchConnection | undefined>
  /** Takes a connection back whose run was answered: it is used again, or closed. Settles when the run's locks are gone. */
  giveBack(connection: BatchConnection, owner: string | null): Promise<void>
  /** What the server says to the connections that it does not let in; null: it has let all in. */
  refusal(): string | null
}

/** For so long no connection is opened after the server has refused one. */
const crowdedMs = 1000

/** A connection that is ready, or soon will be. */
interface ReadyConnection {
  connection: Promise<BatchConnection>
  /** Whose code it has executed; undefined: nobody's. */
  owner?: string
}

/** Opens `ahead` connections, keeps up to `most` for further runs, and closes at the end those that nobody has taken. */
export async function withOpenedAhead<T>(
  database: Database,
  { ahead, most }: { ahead: number; most: number },
  work: (connections: OpenedAhead) => Promise<T>,
): Promise<T> {
  const ready: ReadyConnection[] = []
  let taken = 0
  /** Those of the taken that are on their way back. */
  const returning = new Set<Promise<void>>()
  let over = false
  let refusal: string | null = null
  let crowdedUntil = 0
  const isCrowded = () => Date.now() < crowdedUntil
  const openOne = async () => {
    try {
      const opened = await openForBatch(database)
      refusal = null
      return opened
    } catch (error) {
      if (error instanceof Problem && error.code === 'TooManyConnections') {
        refusal = (error.cause as Error).message
        crowdedUntil = Date.now() + crowdedMs
      }
      throw error
    }
  }
  const open = () => {
    const made: ReadyConnection = { connection: openOne() }
    // The caller of `take` gets any other error.
    made.connection.catch(() => isCrowded() && ready.includes(made) && ready.splice(ready.indexOf(made), 1))
    ready.push(made)
  }
  const close = ({ connection }: ReadyConnection) =>
    connection.then(
      ({ leave }) => leave(),
      () => {},
    )
  const take = async (owner: string | null) => {
    while (ready.length === 0 && (taken >= most || isCrowded()) && returning.size > 0)
      await Promise.race(returning)
    if (ready.length === 0 && isCrowded()) return undefined
    taken++
    try {
      return await takeOne(owner)
    } catch (error) {
      taken--
      if (isCrowded()) return undefined
      throw error
    }
  }
  const takeOne = async (owner: string | null) => {
    const used = ready.findIndex((each) => each.owner === owner)
    const at = used >= 0 ? used : ready.findIndex((each) => each.owner === undefined)
    const [found] = at >= 0 ? ready.splice(at, 1) : []
    if (found !== undefined) return found.connection
    const other = ready.shift() // somebody else's: one is closed for each that is opened
    if (other !== undefined) await close(other)
    return openOne()
  }
  const giveBack = (connection: BatchConnection, owner: string | null) => {
    const returned = keepOrLeave(connection, owner).finally(() => returning.delete(returned))
    returning.add(returned)
    return returned
  }
  const keepOrLeave = async (connection: BatchConnection, owner: string | null) => {
    const isReset =
      owner !== null &&
      !over &&
      (await connection.reset().then(
        () => true,
        () => false,
      ))
    if (!over && isReset && ready.length + taken <= most)
      ready.push({ connection: Promise.resolve(connection), owner })
    else await connection.leave()
    taken--
  }
  for (let at = 0; at < ahead; at++) open()
  try {
    return await work({ take, giveBack, refusal: () => refusal })
  } finally {
    over = true
    await Promise.all(ready.map(close))
  }
}

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

/** A connection for several runs of a batch, one after the other. */
interface BatchConnection {
  /** Sends one envelope for recorded runs of one time limit, parents before children. */
  send(ids: number[], ...works: [RunWork, ...RunWork[]]): SentEnvelope
  /**
   * Takes back the settings and locks of a run whose envelope was answered, so that another run may follow. Fails if none may:
   * the connection is broken, the envelope itself has failed and may have left its run, or code of the view has made the call of the
   * envelope ambiguous. What code of the view may have
   * left besides stays: connections of `dblink` and `postgres_fdw`, and the globals of `plperl` and its like. So the next run is one
   * of the same owner's. A cancel cannot meet the next run: its session holds the row of the run, which can end only afterwards.
   */
  reset(): Promise<void>
  leave(): Promise<void>
}

const waiting = { ...startUp, application_name: 'viewkeeper waiting' }

/**
 * The server plans each statement of the envelope once, not for each of its first five executions anew; queries of views are planned
 * as the login has it.
 */
const planOnce = `
  select set_config('${loginSettings}', (current_setting('${loginSettings}')::jsonb
    || jsonb_build_object('plan_cache_mode', current_setting('plan_cache_mode')))::text, false);
  set plan_cache_mode to force_generic_plan`

const takeNoRun = `pg_catalog.set_config('viewkeeper.run', '${noRun}', false), pg_catalog.set_config('${failuresSetting}', '{}', false)`

/**
 * Opens a connection for runs of a batch, and executes an envelope without a run there: that fills the session's caches. A login
 * that may make nothing temporary sends the whole text each time.
 */
async function openForBatch(database: Database): Promise<BatchConnection> {
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
    await say(`select ${takeNoRun}`)
    await say(text)
    let isReset = reset()
    await isReset
    const send = () => {
      const { executed, answered } = execute(sql, text)
      isReset = Promise.all([executed, reset()]).then(() => {})
      isReset.catch(() => {})
      return { answered, leave }
    }
    return {
      send(ids, ...works) {
        sendAhead(sql, `select ${takeRuns(literal(ids.join()), ...works)}`)
        return send()
      },
      reset: () => isReset,
      leave,
    }
  } catch (error) {
    await leave()
    throw problemOf(error)
  }
}
