import { setTimeout as pause } from 'node:timers/promises'
import { defaultOwnerSetting, regularUpToSetting, type SkipUnchanged, skipSettings } from '../sql/settings.ts'
import { Problem, type ProblemCode } from '../words/problem.ts'
import type { ConnectionOptions } from './connection.ts'
import type { Connection, Database, NotificationListener, Sql } from './database.ts'
import {
  isUntrusted,
  mayConnectLater,
  primaryAdvice,
  problemOf,
  sqlstateOf,
  withDeadline,
} from './failures.ts'
import { readFix } from './own-rights.ts'

/** Where we connect, and as whom. */
interface ConnectedPlace {
  database: string
  user: string
}

/** The meaning of each SQLSTATE that means something else, or needs other advice, while we connect. */
const whileConnecting: Record<string, { code: ProblemCode; advice: (place: ConnectedPlace) => string }> = {
  '42501': {
    code: 'CredentialsRefused',
    advice: ({ database, user }) =>
      `The owner of the database lets the login in: grant connect on database ${quoted(database)} to ${quoted(user)}.`,
  },
  '55000': {
    code: 'DatabaseUnavailable',
    advice: ({ database }) =>
      'Somebody closed the database, for maintenance for example. Try again when it is open; its owner opens it: ' +
      `alter database ${quoted(database)} allow_connections true.`,
  },
  '57P03': {
    code: 'DatabaseUnavailable',
    advice: () => 'The server starts or stops. Try again in some seconds.',
  },
}

/** The Problem for an error while connecting to a database. Any other error is returned unchanged. */
function problemOfConnecting(error: unknown, place: ConnectedPlace): unknown {
  const sqlstate = sqlstateOf(error)
  const known = sqlstate === undefined ? undefined : whileConnecting[sqlstate]
  if (known === undefined || !(error instanceof Error)) return problemOf(error)
  return new Problem(
    known.code,
    `The server refused the connection: ${error.message}. ${known.advice(place)}`,
    {
      ...(sqlstate === undefined ? {} : { sqlstate }),
      cause: error,
    },
  )
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** How long a connection waits for a server that sleeps, starts or is away for a moment. */
export interface Waiting {
  /** When the caller has to have answered (epoch milliseconds); undefined: the caller does not wait. */
  answerBy(): number | undefined
  /** Hears of each wait that was noticeable, and whether the server let us in at last. */
  onWaited(waited: { waitedMs: number; connected: boolean }): void
}

const pauseMs = 1000

/** What is left for the work after the longest wait. */
const workMs = 4000

/**
 * The longest wait. Aurora needs 15 s to wake, and 30 s and more after a day.
 * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
 */
const longestMs = 180_000

/** A try that nothing answers is given up after this time: the server may have lost it while it woke. */
const tryMs = 10_000

/**
 * Connects until the server lets us in, or the time is over. Each try has a deadline (epoch milliseconds). What waiting does not
 * mend is thrown at once. Without `waiting`, there is one try.
 */
async function untilAwake<T>(
  open: (deadline: number) => Promise<T>,
  { answerBy, onWaited }: Partial<Waiting> = {},
): Promise<T> {
  const begun = Date.now()
  const last = answerBy?.()
  const until = last === undefined ? begun : Math.min(last - workMs, begun + longestMs)
  const tell = (connected: boolean) => {
    const waitedMs = Date.now() - begun
    if (waitedMs >= pauseMs) onWaited?.({ waitedMs, connected })
  }
  for (;;) {
    const tried = Date.now()
    try {
      const opened = await open(until > tried ? Math.min(tried + tryMs, until) : tried + tryMs)
      tell(true)
      return opened
    } catch (error) {
      const next = Math.max(tried + pauseMs, Date.now())
      if (!mayConnectLater(error) || next >= until) {
        tell(false)
        throw error
      }
      await pause(Math.max(0, next - Date.now()))
    }
  }
}

/**
 * Gives the connection options; `fresh` reads them again from their source, because the server `refused` the password of the last ones, or we
 * its certificate.
 */
export type ConnectionSource = (options: { fresh: boolean; refused?: string }) => Promise<ConnectionOptions>

const usualDeadlineMs = 20_000

const tooLate =
  'The time for the work on the database is over: the database has stopped answering, or it or this process is overloaded'

/** What the login may be, who owns the views that it creates, how `auto` spares readers, and what is left out. */
interface LoginTerms extends SkipUnchanged {
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
 * The database at the address that `source` gives. If the server refuses the credentials, or its certificate has no known root, they
 * are read again once, because secrets rotate, and so do roots. Failures to connect are Problems: DatabaseUnavailable, CredentialsRefused, TooManyConnections.
 */
export function connectTo(
  source: ConnectionSource,
  { superuser = 'allowed', viewOwner, regularUpToMs, waiting, ...rest }: LoginTerms = {},
): Database {
  const said = {
    ...(viewOwner ? { [defaultOwnerSetting]: viewOwner } : {}),
    ...(regularUpToMs ? { [regularUpToSetting]: String(regularUpToMs) } : {}),
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
      if (!credentialsRefused(error) && !isUntrusted(error)) throw problemOfConnecting(error, options)
    }
    const fresh = await source({ fresh: true, refused: options.password })
    try {
      return await connect(fresh, startUp, insisted, deadline, onNotify)
    } catch (error) {
      throw problemOfConnecting(error, fresh)
    }
  }
  return {
    // Beside the connection of the work: the server is awake.
    open: (given, onNotify) => untilAwake((by) => openBy(by, given, onNotify)),
    async withConnection(
      work,
      {
        startUp = {},
        jit = false,
        once = false,
        writes = false,
        deadline = Date.now() + usualDeadlineMs,
      } = {},
    ) {
      const begun = Date.now()
      const given = { ...(jit ? {} : { jit: 'off' }), ...startUp }
      const { sql, leave } = await untilAwake((by) => openBy(by, given), once ? undefined : waiting)
      const until = Math.min(deadline + Date.now() - begun, waiting?.answerBy() ?? Number.POSITIVE_INFINITY)
      try {
        if (writes) insistOnPrimary(sql)
        return await withDeadline(work(sql, leave), until, tooLate)
      } catch (error) {
        throw problemOf(error, await readFix(sql, error))
      } finally {
        await leave()
      }
    },
  }
}

/** A server tells each session at its beginning, unasked, whether it is a standby; Aurora's readers do not. */
function insistOnPrimary({ parameters }: Sql): void {
  if (parameters.in_hot_standby === 'on')
    throw new Problem('DatabaseReadOnly', `This server is a standby, which only reads. ${primaryAdvice}`)
}

/** 28P01: wrong password. 28000: the role is gone or may not log in. Fresh connection options fix both. */
const credentialsRefused = (error: unknown): boolean => ['28P01', '28000'].includes(sqlstateOf(error) ?? '')
