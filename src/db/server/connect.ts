import { checkServerIdentity } from 'node:tls'
import postgres from 'postgres'
import { Problem } from '../../problem.ts'
import { problemOf, sqlstateOf } from './failures.ts'
import { safePath } from './search-path.ts'
import { ownSocket } from './socket.ts'

/** A connection, one session of the server. */
export type Sql = postgres.Sql<{ bigint: number }>

/** Where the database is and who we are there. */
export interface ConnectionOptions {
  host: string
  port: number
  database: string
  user: string
  password: string
  /** `verify` checks the certificate and the host's name, against these roots (PEM) or Node's own. */
  tls: { verify: true; roots: string[] | null } | { verify: false }
}

/** Gives the settings; `fresh` asks for them anew from where they are kept, because the server refused the last ones. */
export type ConnectionSource = (options: { fresh: boolean }) => Promise<ConnectionOptions>

/** A connection for the caller to close. */
interface Connection {
  sql: Sql
  /** Closes it at once, whatever is going on; the server is not asked to stop. */
  leave(): Promise<void>
  /** Settles when it has broken without having been left. Whatever is asked of it from then on fails at once. */
  broken: Promise<void>
}

/** Is told of each notification. */
type NotificationListener = (channel: string, payload: string) => void

interface WorkOptions {
  /** The session's settings, in force from its first moment. */
  startUp?: Record<string, string>
  /** Epoch milliseconds at which the work is given up, because a server that has vanished says nothing. */
  deadline?: number
}

/** The database of one environment, reached by a connection per piece of work. */
export interface Database {
  /**
   * Calls `work` with a connection of its own, and closes it afterwards whatever happens. On it the search path is the safe
   * one: every name is the catalog's, so nobody can slip a function in that would run as us. And nothing is compiled for it: our own
   * statements take milliseconds, compiling one that looks expensive takes hundreds.
   */
  withConnection<T>(work: (sql: Sql) => Promise<T>, options?: WorkOptions): Promise<T>
  /** Opens a connection with the search path of its role. `onNotify` hears what it listens to. */
  open(startUp: Record<string, string>, onNotify?: NotificationListener): Promise<Connection>
}

const connectDeadlineMs = 10_000
const usualDeadlineMs = 20_000

/** Our own statements are short: what waits longer for a lock, or runs longer, is stuck. */
const defaultStartUp = {
  application_name: 'viewkeeper',
  lock_timeout: '5000',
  statement_timeout: '15000',
  default_transaction_read_only: 'off',
  // Under another one a statement that has waited for a row does not see what it waited for, or fails with 40001.
  default_transaction_isolation: 'read committed',
}

/** How far the login may go. */
interface Trust {
  /** Whether a login that is a superuser is refused (SuperuserRefused). */
  superuser?: 'allowed' | 'refused'
}

/** A setting that the server makes itself. */
const notSuperuser = { is_superuser: 'off' }

/**
 * A database reached through the settings of `source`. Wrong credentials are asked for anew once, because secrets
 * rotate. Failures to connect are Problems: DatabaseUnavailable, CredentialsRefused, TooManyConnections.
 */
export function connectTo(source: ConnectionSource, { superuser = 'allowed' }: Trust = {}): Database {
  const open: Database['open'] = async (startUp, onNotify) => {
    const insisted = superuser === 'refused' ? notSuperuser : {}
    try {
      return await connect(await source({ fresh: false }), startUp, insisted, onNotify)
    } catch (error) {
      if (!credentialsRefused(error)) throw problemOf(error)
    }
    try {
      return await connect(await source({ fresh: true }), startUp, insisted, onNotify)
    } catch (error) {
      throw problemOf(error)
    }
  }
  return {
    open,
    async withConnection(work, { startUp = {}, deadline = Date.now() + usualDeadlineMs } = {}) {
      const { sql, leave } = await open(startUp)
      try {
        const done = (async () => {
          await sql`select pg_catalog.set_config('search_path', ${safePath}, false), pg_catalog.set_config('jit', 'off', false)`
          return work(sql)
        })()
        return await withDeadline(done, deadline, 'The database has stopped answering')
      } catch (error) {
        throw problemOf(error)
      } finally {
        await leave()
      }
    },
  }
}

/** A transaction of a connection; the callback's connection is the same one. */
export const withTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  sql.begin((transaction) => work(transaction as unknown as Sql)) as Promise<T>

/** The same where a transaction may be going on already: then a part of that. */
export const inTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  ('savepoint' in sql ? withSavepoint : withTransaction)(sql, work)

/** What may fail without failing the transaction that it is part of. */
export const withSavepoint = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  (sql as unknown as postgres.TransactionSql).savepoint((part) => work(part as unknown as Sql)) as Promise<T>

/** 28P01 is a wrong password; 28000 a role that is gone or may not log in: both are cured by fresh settings. */
const credentialsRefused = (error: unknown): boolean => ['28P01', '28000'].includes(sqlstateOf(error) ?? '')

async function connect(
  settings: ConnectionOptions,
  startUp: Record<string, string>,
  insisted: Record<string, string>,
  onNotify?: NotificationListener,
): Promise<Connection> {
  const asked = { ...defaultStartUp, ...startUp }
  const { host, port } = settings
  const { promise: broken, resolve: tellBroken } = Promise.withResolvers<void>()
  let left = false
  let line: Line | undefined
  // postgres.js 3.4.9 would let wait for ever what is asked between a socket's error and its close, and would write what a
  // transaction still asks to a socket that is gone, where nobody can catch it. Terminated, it refuses both.
  const onBroken = () => {
    line?.terminate()
    sql.end({ timeout: 0 }).catch(() => {})
    if (!left) tellBroken()
  }
  const socket = ownSocket(host, port, onBroken)
  const sql: Sql = postgres({
    host,
    port,
    database: settings.database,
    user: settings.user,
    password: settings.password,
    ssl: tlsOptions(settings),
    max: 1,
    max_lifetime: null,
    idle_timeout: 0,
    fetch_types: false,
    onnotice: () => {},
    // postgres.js types these as numbers, but would drop a 0
    connection: asked as object,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    onclose: onBroken,
    // postgres.js knows these two and does not type them
    ...({ socket: socket.open, onnotify: onNotify } as object),
  })
  const leave = async () => {
    left = true
    await sql.end({ timeout: 0 }).catch(() => {})
    socket.destroy()
  }
  try {
    const advice = `No answer from the database at ${host}:${port}. Check that it runs and that its security group lets the functions in`
    const onLine = (opened: Line) => {
      line = opened
    }
    await withDeadline(
      insistOn(sql, { ...asked, ...insisted }, onLine),
      Date.now() + connectDeadlineMs,
      advice,
    )
    return { sql, leave, broken }
  } catch (error) {
    await leave()
    throw error
  }
}

/** What postgres.js keeps of a connection, and hands out only to whoever executes a query. */
interface Line {
  /** Fails what is asked of it, now and from now on. */
  terminate(): void
}

/** Reads the start-up settings back: a pooler that drops them would also end our runs when we leave. */
async function insistOn(
  sql: Sql,
  asked: Record<string, string>,
  onexecute: (line: Line) => void,
): Promise<void> {
  // One message without parameters: with them postgres.js does not hand out its line, and asks twice. Not by pg_settings,
  // which costs a millisecond. Times come back in units of the server's choice: 15000 as 15s.
  const options: object = { simple: true, onexecute }
  const differing = await sql.unsafe<{ name: string }[]>(
    `select a.name from pg_catalog.jsonb_each_text('${JSON.stringify(asked).replaceAll("'", "''")}') as a(name, value)
      where case when a.name like '%\\_timeout' or a.name like '%\\_interval'
              then extract(epoch from pg_catalog.current_setting(a.name, true)::pg_catalog.interval) * 1000 <> a.value::pg_catalog.numeric
              else pg_catalog.current_setting(a.name, true) is distinct from a.value end`,
    [],
    options,
  )
  const dropped = differing.map(({ name }) => name)
  if (dropped.includes('is_superuser')) {
    throw new Problem(
      'SuperuserRefused',
      'The login in the secret is a superuser, who may do anything to this database and its machine. Make a login that may ' +
        'do what refreshing takes: npm run create-role (docs/deploy.md, The database).',
    )
  }
  if (dropped.length > 0) {
    throw new Problem(
      'NotDirect',
      `The server does not have our start-up settings (${dropped.join(', ')}): the connection goes through a pooler. ` +
        'Give the address of the PostgreSQL server itself, not of RDS Proxy or pgbouncer.',
    )
  }
}

async function withDeadline<T>(work: Promise<T>, deadline: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Problem('DatabaseUnavailable', `${message}.`)), deadline - Date.now())
  })
  work.catch(() => {}) // when the deadline wins, this rejection comes too late for anybody
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** With an address instead of a name, Node would not check whose certificate it is: so we always do it ourselves. */
function tlsOptions({ tls, host }: ConnectionOptions) {
  if (!tls.verify) return false
  return {
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(host, certificate),
    ...(tls.roots === null ? {} : { ca: tls.roots }),
  }
}
