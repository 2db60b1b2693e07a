import { createConnection, type Socket } from 'node:net'
import tls, { type SecureContext } from 'node:tls'
import postgres from 'postgres'
import { literal } from '../sql/names.ts'
import { makeSafe } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'
import type { Connection, NotificationListener, Sql } from './database.ts'
import { mayConnectLater, problemOf, withDeadline } from './failures.ts'

/** Something between Lambda and RDS forgets a connection that was silent for about 350 s. */
const keepAliveMs = 30_000

let openNow = 0

/** How many sockets to databases this process has open. */
export const openSockets = (): number => openNow

/** A socket that the caller can destroy, and that is opened once only. */
export interface OwnSocket {
  open(): Promise<Socket>
  destroy(): void
  /** What the server said first, by its first byte: to a request for TLS, `N` is no. */
  answered(): string | undefined
}

/**
 * If the socket breaks, `onBroken` is called. Otherwise postgres.js would open another socket without an
 * error, and the new session would lack our settings. To end, postgres.js only half-closes its socket; in a
 * warm Lambda such sockets would pile up while the server works on.
 */
export function ownSocket(
  { host, hostaddr = host, port, path }: { host: string; hostaddr?: string; port: number; path?: string },
  onBroken: () => void,
): OwnSocket {
  let socket: Socket | undefined
  let answer: string | undefined
  return {
    answered: () => answer,
    open: () =>
      new Promise((resolve, reject) => {
        if (socket !== undefined) {
          onBroken()
          reject(Object.assign(new Error('The connection broke'), { code: 'CONNECTION_CLOSED' }))
          return
        }
        const opened = createConnection({
          host: hostaddr,
          port,
          path,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: keepAliveMs,
        })
        // postgres.js tells the server this name when TLS begins: some choose the database by it.
        Object.assign(opened, { host })
        opened.once('data', (first: Buffer) => {
          answer = String.fromCharCode(first[0] ?? 0)
        })
        socket = opened
        openNow++
        opened.once('close', () => openNow--)
        opened.once('error', reject)
        opened.once('connect', () => {
          opened.removeListener('error', reject)
          resolve(opened)
        })
      }),
    destroy: () => socket?.destroy(),
  }
}

/** The address of the database, and our login. */
export interface ConnectionOptions {
  /** Its name, which the certificate has to have. */
  host: string
  /** Its socket on this machine, instead of an address. */
  path?: string
  /** Where to connect instead of looking `host` up, such as the end of a tunnel. */
  hostaddr?: string
  port: number
  database: string
  user: string
  password: string
  /**
   * `verify` checks the certificate against these roots (PEM) or Node's own, and, without `anyName`, the host's name. What is
   * not verified may be encrypted all the same.
   */
  tls:
    | { verify: true; roots: string[] | null; anyName?: boolean }
    | { verify: false; encrypts?: 'require' | 'prefer' }
  /** Options of the session, as on the command line of the server. Our own start-up settings win. */
  options?: string
  /** The longest wait for the connection. */
  connectMs?: number
  /** Where to connect if this server cannot be reached, or `writes` is set and it is a standby. */
  next?: ConnectionOptions
  writes?: true
}

/** Our own statements are short: a statement that waits longer for a lock, or runs longer, is stuck. */
const defaultStartUp = {
  application_name: 'viewkeeper',
  lock_timeout: '5000',
  statement_timeout: '15000',
  default_transaction_read_only: 'off',
  // Under another isolation level, a statement that has waited for a row does not see the row's change, or fails with 40001.
  default_transaction_isolation: 'read committed',
  // A role may bring others along. We wait for runs in idle sessions; a client that has vanished must not keep its locks.
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: '60000',
}

/** The longest wait for one of several servers. */
const eachMs = 5000

/** Opens a connection to the first of the servers that can be had: else throws what the last one said. */
export async function connect(
  options: ConnectionOptions,
  ...more: [Record<string, string>, Record<string, string>, number, NotificationListener?]
): Promise<Connection> {
  const { next, connectMs = eachMs } = options
  if (next === undefined) return connectOnly(options, ...more)
  try {
    return await connectOnly({ ...options, connectMs }, ...more)
  } catch (error) {
    const problem = problemOf(error)
    if (!mayConnectLater(problem) && !(problem instanceof Problem && problem.code === 'DatabaseReadOnly'))
      throw error
    return connect(next, ...more)
  }
}

/**
 * Opens a connection whose session has these settings, and whose search path is safePath: every name means the catalog's
 * object, so nobody can add a function that would run as us. The driver's errors are thrown as they are.
 */
async function connectOnly(
  options: ConnectionOptions,
  startUp: Record<string, string>,
  insisted: Record<string, string>,
  deadline: number,
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
  const socket = ownSocket(options, onBroken)
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
    // postgres.js types these as numbers, but would drop a 0, and drops what is undefined
    connection: { options: options.options, ...wanted } as object,
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
    const advice = `No answer from the database at ${options.hostaddr ?? host}:${port}. Check the address, the server and its firewall, on AWS its security group`
    const by = Math.min(deadline, Date.now() + (options.connectMs ?? Number.POSITIVE_INFINITY))
    const onLine = (opened: Line) => {
      line = inOneTrip(opened)
    }
    await withDeadline(insistOn(sql, { ...wanted, ...insisted }, options.writes ?? false, onLine), by, advice)
    return { sql, leave, broken }
  } catch (error) {
    await leave()
    throw withoutTls(options, socket.answered()) ?? error
  }
}

/** What a server says that was asked for TLS, and has none: postgres.js 3.4.9 begins TLS all the same, and the connection breaks. */
function withoutTls({ tls }: ConnectionOptions, answered: string | undefined): Problem | undefined {
  if (answered !== 'N' || (!tls.verify && tls.encrypts !== 'require')) return undefined
  const cause = new Error('server does not support SSL, but SSL was required')
  return new Problem(
    'DatabaseUnavailable',
    `The server does not support TLS: ${cause.message}. Turn ssl on in the server, or, on a network that you trust, write sslmode=disable in DATABASE_URL.`,
    { cause },
  )
}

/** The part of postgres.js that is one connection; only `onexecute` of a query receives it. */
interface Line {
  execute(query: object): unknown
  /** Fails the current query and all later ones. */
  terminate(): void
}

/**
 * Sends each query in one round trip. postgres.js 3.4.9 would ask for the types of the parameters first, to write objects and
 * lists as the server wants them: ours say their type themselves (`sql.json`), and everything else goes as text.
 */
function inOneTrip(line: Line): Line {
  const { execute } = line
  line.execute = (query) =>
    execute(Object.defineProperty(query, 'describeFirst', { get: () => false, set() {} }))
  return line
}

/**
 * Makes the search path safe, and reads the start-up settings back: a pooler that drops them would also end our runs when the
 * client leaves.
 */
async function insistOn(
  sql: Sql,
  wanted: Record<string, string>,
  writes: boolean,
  onexecute: (line: Line) => void,
): Promise<void> {
  // No parameters: with parameters, postgres.js does not pass its line to onexecute, and sends two messages. No pg_settings,
  // which takes a millisecond. The server picks the unit of a time: it returns 15000 as 15s.
  const options: object = { simple: true, onexecute }
  // The whole text is read under the login's own settings, so no literal has a plain backslash; each statement is parsed after
  // the one before was executed.
  const answers = (await sql.unsafe(
    `${makeSafe};
     select a.name from jsonb_each_text(${literal(JSON.stringify(wanted))}) as a(name, value)
      where case when a.name ~ '_(timeout|interval)$'
              then extract(epoch from current_setting(a.name, true)::interval) * 1000 <> a.value::numeric
              else current_setting(a.name, true) is distinct from a.value end
     union all select 'session_replication_role' where current_setting('session_replication_role') = 'replica'${writes ? " union all select 'standby' where pg_is_in_recovery()" : ''}`,
    [],
    options,
  )) as unknown as { name: string }[][]
  const dropped = (answers.at(-1) ?? []).map(({ name }) => name)
  if (dropped.includes('standby'))
    throw new Problem(
      'DatabaseReadOnly',
      `${sql.options.host} is a standby, and no other server of DATABASE_URL is the primary.`,
    )
  if (dropped.includes('is_superuser')) {
    throw new Problem(
      'SuperuserRefused',
      `You log in as ${sql.options.user}, a superuser, who may do anything to this database and its machine. Make a role with only ` +
        'the rights that refreshing needs: npx viewkeeper create-role (docs/privileges.md). To log in so all the same: ' +
        '--allow-superuser of serve, allowSuperuser of the engine.',
    )
  }
  if (dropped.includes('session_replication_role')) {
    throw new Problem(
      'InsufficientPrivilege',
      "The login's session_replication_role is replica, so no trigger of schema viewkeeper would fire, and the login may not " +
        'change that. As superuser: alter role ... reset session_replication_role, or grant set on parameter session_replication_role.',
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

/** We compare the certificate with the host ourselves, because Node would not do so for an IP address. */
function tlsOptions({ tls: told, host }: ConnectionOptions) {
  if (!told.verify) return told.encrypts ?? false
  return {
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof tls.checkServerIdentity>[1]) =>
      told.anyName ? undefined : tls.checkServerIdentity(host, certificate),
    ...(told.roots === null ? {} : { secureContext: trusting(told.roots) }),
  }
}

let parsed: { roots: string; context: SecureContext } | undefined

/** OpenSSL reads the 120 roots of RDS in 15 ms and more: once for a process, and not for each connection. */
function trusting(roots: string[]): SecureContext {
  const text = roots.join('\n')
  if (parsed?.roots !== text) parsed = { roots: text, context: tls.createSecureContext({ ca: roots }) }
  return parsed.context
}
