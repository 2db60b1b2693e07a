import type postgres from 'postgres'
import type { OnReplicas } from '../sql/replicas.ts'
import { untilAwake, type Waiting } from './awake.ts'
import { problemOfConnecting } from './connect-failures.ts'
import type { Connection, ConnectionOptions, NotificationListener, Sql } from './connection.ts'
import { withDeadline } from './deadline.ts'
import { problemOf, sqlstateOf } from './failures.ts'
import { readFix } from './missing-rights.ts'
import { replicaSettings } from './on-replicas.ts'
import { type SkipUnchanged, skipSettings } from './skip-unchanged.ts'

export type { ConnectionOptions, Sql } from './connection.ts'

/** Gives the connection options; `fresh` reads them again from their source, because the server refused the last ones. */
export type ConnectionSource = (options: { fresh: boolean }) => Promise<ConnectionOptions>

interface WorkOptions {
  /** The session's settings, in force from its first moment. */
  startUp?: Record<string, string>
  /** Whether the login's JIT is left as it is. Default: it is off. */
  jit?: boolean
  /** Whether the login is tried once: a server that is away is not waited for. */
  once?: boolean
  /**
   * The work is given up at this time (epoch milliseconds), because a server that has vanished never answers. The wait for the
   * connection does not count.
   */
  deadline?: number
}

/** The database of one environment; each piece of work has a connection of its own. */
export interface Database {
  /**
   * Calls `work` with a connection of its own, and always closes the connection afterwards; `leave` does so earlier. JIT is
   * off: our own statements take milliseconds, and compiling one that looks expensive takes hundreds.
   */
  withConnection<T>(
    work: (sql: Sql, leave: Connection['leave']) => Promise<T>,
    options?: WorkOptions,
  ): Promise<T>
  /** Opens a connection. `onNotify` receives its notifications. */
  open(startUp: Record<string, string>, onNotify?: NotificationListener): Promise<Connection>
}

const usualDeadlineMs = 20_000

const tooLate =
  'The time for the work on the database is over: the database has stopped answering, or it or this process is overloaded'

/** The session's setting that names the environment's default owner of views. */
export const defaultOwnerSetting = 'viewkeeper.view_owner'

/** The session's setting for the environment's `regularUpToMs`. Default: 0. */
export const regularUpToSetting = 'viewkeeper.regular_up_to_ms'

/** What the login may be, who owns the views that it creates, how `auto` spares readers, and what is left out. */
interface Terms extends OnReplicas, SkipUnchanged {
  /** Whether a login that is a superuser is refused (SuperuserRefused). */
  superuser?: 'allowed' | 'refused'
  /** The role that owns a view whose definition names no owner. Default: Viewkeeper's own role. */
  viewOwner?: string | undefined
  /** Up to which usual duration, in milliseconds, `auto` locks readers out. Default: it never does so if it can spare them. */
  regularUpToMs?: number | undefined
  /** How long a server that sleeps or is away is waited for. Default: there is one try. */
  waiting?: Waiting
}

/** The setting that the server reports for a login that is no superuser. */
const notSuperuser = { is_superuser: 'off' }

/**
 * The database at the address that `source` gives. If the server refuses the credentials, they are read again once,
 * because secrets rotate. Failures to connect are Problems: DatabaseUnavailable, CredentialsRefused, TooManyConnections.
 */
export function connectTo(
  source: ConnectionSource,
  { superuser = 'allowed', viewOwner, regularUpToMs, waiting, ...rest }: Terms = {},
): Database {
  const said = {
    ...(viewOwner ? { [defaultOwnerSetting]: viewOwner } : {}),
    ...(regularUpToMs ? { [regularUpToSetting]: String(regularUpToMs) } : {}),
    ...replicaSettings(rest),
    ...skipSettings(rest),
  }
  const openBy = async (
    deadline: number,
    given: Record<string, string>,
    onNotify?: NotificationListener,
  ): Promise<Connection> => {
    const startUp = { ...said, ...given }
    const insisted = superuser === 'refused' ? notSuperuser : {}
    // The driver and TLS take as long to load as the rest of a function: they are loaded while a secret is on its way.
    const [options, { connect }] = await Promise.all([source({ fresh: false }), import('./connection.ts')])
    try {
      return await connect(options, startUp, insisted, deadline, onNotify)
    } catch (error) {
      if (!credentialsRefused(error)) throw problemOfConnecting(error, options)
    }
    const fresh = await source({ fresh: true })
    try {
      return await connect(fresh, startUp, insisted, deadline, onNotify)
    } catch (error) {
      throw problemOfConnecting(error, fresh)
    }
  }
  const open: Database['open'] = (given, onNotify) =>
    untilAwake((deadline) => openBy(deadline, given, onNotify), waiting)
  return {
    open,
    async withConnection(
      work,
      { startUp = {}, jit = false, once = false, deadline = Date.now() + usualDeadlineMs } = {},
    ) {
      const begun = Date.now()
      const given = { ...(jit ? {} : { jit: 'off' }), ...startUp }
      const { sql, leave } = once ? await untilAwake((by) => openBy(by, given)) : await open(given)
      const until = Math.min(deadline + Date.now() - begun, waiting?.answerBy() ?? Number.POSITIVE_INFINITY)
      try {
        return await withDeadline(work(sql, leave), until, tooLate)
      } catch (error) {
        throw problemOf(error, await readFix(sql, error))
      } finally {
        await leave()
      }
    },
  }
}

/** Works in a transaction. The callback gets the same connection. */
export const withTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  sql.begin((transaction) => work(transaction as unknown as Sql)) as Promise<T>

/** Works in a transaction, or in a savepoint if the connection is in a transaction already. */
export const inTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  ('savepoint' in sql ? withSavepoint : withTransaction)(sql, work)

/** Works in a savepoint: a failure does not fail the transaction around it. */
export const withSavepoint = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  (sql as unknown as postgres.TransactionSql).savepoint((part) => work(part as unknown as Sql)) as Promise<T>

/** 28P01: wrong password. 28000: the role is gone or may not log in. Fresh connection options fix both. */
const credentialsRefused = (error: unknown): boolean => ['28P01', '28000'].includes(sqlstateOf(error) ?? '')
