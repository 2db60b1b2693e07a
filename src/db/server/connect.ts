import { checkServerIdentity } from 'node:tls'
import postgres from 'postgres'
import { Problem } from '../../problem.ts'
import { problemOfConnecting } from './connect-failures.ts'
import { readCure } from './cure.ts'
import { problemOf, sqlstateOf } from './failures.ts'
import { safePath } from './search-path.ts'
import { ownSocket } from './socket.ts'

/** A connection, one session of the server. */
export type Sql = postgres.Sql<{ bigint: number }>

/** The address of the database, and our login. */
export interface ConnectionOptions {
  host: string
  port: number
  database: string
  user: string
  password: string
  /** `verify` checks the certificate against these roots (PEM) or Node's own, and the host's name. */
  tls: { verify: true; roots: string[] | null } | { verify: false }
}

/** Gives the connection options; `fresh` reads them again from their source, because the server refused the last ones. */
export type ConnectionSource = (options: { fresh: boolean }) => Promise<ConnectionOptions>

/** A connection that the caller closes. */
interface Connection {
  sql: Sql
  /** Closes the connection at once; the server may still work on the last message. */
  leave(): Promise<void>
  /** Settles if the connection breaks before `leave`. Every later query on the connection fails at once. */
  broken: Promise<void>
}

/** Receives each notification. */
type NotificationListener = (channel: string, payload: string) => void

interface WorkOptions {
  /** The session's settings, in force from its first moment. */
  startUp?: Record<string, string>
  /** The work is given up at this time (epoch milliseconds), because a server that has vanished never answers. */
  deadline?: number
}

/** The database of one environment; each piece of work has a connection of its own. */
export interface Database {
  /**
   * Calls `work` with a connection of its own, and always closes the connection afterwards. Its search path is safePath:
   * every name means the catalog's object, so nobody can add a function that would run as us. JIT is off: our own
   * statements take milliseconds, and compiling one that looks expensive takes hundreds.
   */
  withConnection<T>(work: (sql: Sql) => Promise<T>, options?: WorkOptions): Promise<T>
  /** Opens a connection with the search path of its role. `onNotify` receives its notifications. */
  open(startUp: Record<string, string>, onNotify?: NotificationListener): Promise<Connection>
}

const connectDeadlineMs = 10_000
const usualDeadlineMs = 20_000

/** Our own statements are short: a statement that waits longer for a lock, or runs longer, is stuck. */
const defaultStartUp = {
  application_name: 'viewkeeper',
  lock_timeout: '5000',
  statement_timeout: '15000',
  default_transaction_read_only: 'off',
  // Under another isolation level, a statement that has waited for a row does not see the row's change, or fails with 40001.
  default_transaction_isolation: 'read committed',
}

/** The session's setting that names the environment's default owner of views. */
export const defaultOwnerSetting = 'viewkeeper.view_owner'

/** What the login may be, and who owns the views that it creates. */
interface Terms {
  /** Whether a login that is a superuser is refused (SuperuserRefused). */
  superuser?: 'allowed' | 'refused'
  /** The role that owns a view whose definition names no owner. Default: Viewkeeper's own role. */
  viewOwner?: string | undefined
}

/** The setting that the server reports for a login that is no superuser. */
const notSuperuser = { is_superuser: 'off' }

/**
 * The database at the address that `source` gives. If the server refuses the credentials, they are read again once,
 * because secrets rotate. Failures to connect are Problems: DatabaseUnavailable, CredentialsRefused, TooManyConnections.
 */
export function connectTo(
  source: ConnectionSource,
  { superuser = 'allowed', viewOwner }: Terms = {},
): Database {
  const defaultOwner: Record<string, string> = viewOwner ? { [defaultOwnerSetting]: viewOwner } : {}
  const open: Database['open'] = async (given, onNotify) => {
    const startUp = { ...defaultOwner, ...given }
    const insisted = superuser === 'refused' ? notSuperuser : {}
    const options = await source({ fresh: false })
    try {
      return await connect(options, startUp, insisted, onNotify)
    } catch (error) {
      if (!credentialsRefused(error)) throw problemOfConnecting(error, options)
    }
    const fresh = await source({ fresh: true })
    try {
      return await connect(fresh, startUp, insisted, onNotify)
    } catch (error) {
      throw problemOfConnecting(error, fresh)
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
        throw problemOf(error, await readCure(sql, error))
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

/** 28P01: wrong password. 28000: the role is gone or may not log in. Fresh connection options cure both. */
const credentialsRefused = (error: unknown): boolean => ['28P01', '28000'].includes(sqlstateOf(error) ?? '')

async function connect(
  options: ConnectionOptions,
  startUp: Record<string, string>,
  insisted: Record<string, string>,
  onNotify?: NotificationListener,
): Promise<Connection> {
  const wanted = { ...defaultStartUp, ...startUp }
  const { host, port } = options
  const { promise: broken, resolve: tellBroken } = Promise.withResolvers<void>()
  let left = false
  let line: Line | undefined
  // postgres.js 3.4.9 never settles a query that is sent between a socket's error and its close, and writes
  // further queries of a transaction to the closed socket, which fails where nobody can catch the error. A
  // terminated line fails such queries at once.
  const onBroken = () => {
    line?.terminate()
    sql.end({ timeout: 0 }).catch(() => {})
    if (!left) tellBroken()
  }
  const socket = ownSocket(host, port, onBroken)
  const sql: Sql = postgres({
    host,
    port,
    database: options.database,
    user: options.user,
    password: options.password,
    ssl: tlsOptions(options),
    max: 1,
    max_lifetime: null,
    idle_timeout: 0,
    fetch_types: false,
    onnotice: () => {},
    // postgres.js types these as numbers, but would drop a 0
    connection: wanted as object,
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
      insistOn(sql, { ...wanted, ...insisted }, onLine),
      Date.now() + connectDeadlineMs,
      advice,
    )
    return { sql, leave, broken }
  } catch (error) {
    await leave()
    throw error
  }
}

/** The part of postgres.js that is one connection; only `onexecute` of a query receives it. */
interface Line {
  /** Fails the current query and all later ones. */
  terminate(): void
}

/** Reads the start-up settings back: a pooler that drops them would also end our runs when the client leaves. */
async function insistOn(
  sql: Sql,
  wanted: Record<string, string>,
  onexecute: (line: Line) => void,
): Promise<void> {
  // No parameters: with parameters, postgres.js does not pass its line to onexecute, and sends two messages. No pg_settings,
  // which takes a millisecond. The server picks the unit of a time: it returns 15000 as 15s.
  const options: object = { simple: true, onexecute }
  const differing = await sql.unsafe<{ name: string }[]>(
    `select a.name from pg_catalog.jsonb_each_text('${JSON.stringify(wanted).replaceAll("'", "''")}') as a(name, value)
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
      'The login in the secret is a superuser, who may do anything to this database and its machine. Make a login with ' +
        'only the rights that refreshing needs: npx viewkeeper create-role (docs/deploy.md, The database).',
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
  work.catch(() => {}) // after the deadline, nobody handles this rejection
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** We compare the certificate with the host ourselves, because Node would not do so for an IP address. */
function tlsOptions({ tls, host }: ConnectionOptions) {
  if (!tls.verify) return false
  return {
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(host, certificate),
    ...(tls.roots === null ? {} : { ca: tls.roots }),
  }
}
