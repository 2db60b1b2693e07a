import { checkServerIdentity } from 'node:tls'
import postgres from 'postgres'
import { Problem } from '../problem.ts'
import { problemOf, sqlstateOf } from './failures.ts'

/** A connection, one session of the server. */
export type Sql = postgres.Sql<{ bigint: number }>

/** Where the database is and who we are there. */
export interface ConnectionSettings {
  host: string
  port: number
  database: string
  user: string
  password: string
  /** `verify` checks the certificate and the host's name, against these roots (PEM) or Node's own. */
  tls: { verify: true; roots: string[] | null } | { verify: false }
}

/** Gives the settings; `fresh` asks for them anew from where they are kept, because the server refused the last ones. */
export type SettingsSource = (options: { fresh: boolean }) => Promise<ConnectionSettings>

/** The database of one environment, reached by a connection per piece of work. */
export interface Database {
  /** Calls `work` with a connection of its own, and closes it afterwards whatever happens. */
  withConnection<T>(work: (sql: Sql) => Promise<T>, startUp?: Record<string, string>): Promise<T>
  /** Opens a connection for the caller to close; `startUp` are the session's settings, in force from its first moment. */
  open(startUp?: Record<string, string>): Promise<Sql>
}

const connectDeadlineMs = 10_000

/** Reads never wait long for a lock: what is locked is answered as unknown, or not at all. */
const defaultStartUp = { application_name: 'viewkeeper', lock_timeout: '5000', statement_timeout: '25000' }

/**
 * A database reached through the settings of `source`. Wrong credentials are asked for anew once, because secrets
 * rotate. Failures to connect are Problems: DatabaseUnavailable, CredentialsRefused, InsufficientResources.
 */
export function connectTo(source: SettingsSource): Database {
  const open = async (startUp: Record<string, string> = {}): Promise<Sql> => {
    try {
      return await connect(await source({ fresh: false }), startUp)
    } catch (error) {
      if (!credentialsRefused(error)) throw problemOf(error)
    }
    try {
      return await connect(await source({ fresh: true }), startUp)
    } catch (error) {
      throw problemOf(error)
    }
  }
  return {
    open,
    async withConnection(work, startUp) {
      const sql = await open(startUp)
      try {
        return await work(sql)
      } catch (error) {
        throw problemOf(error)
      } finally {
        await sql.end({ timeout: 1 })
      }
    },
  }
}

/** 28P01 is a wrong password; 28000 a role that is gone or may not log in: both are cured by fresh settings. */
const credentialsRefused = (error: unknown): boolean => ['28P01', '28000'].includes(sqlstateOf(error) ?? '')

async function connect(settings: ConnectionSettings, startUp: Record<string, string>): Promise<Sql> {
  const asked = { ...defaultStartUp, ...startUp }
  const sql = postgres({
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    password: settings.password,
    ssl: tlsOptions(settings),
    max: 1,
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: connectDeadlineMs / 1000,
    // Something between Lambda and RDS forgets a connection that was silent for about 350 s.
    keep_alive: 30,
    fetch_types: false,
    onnotice: () => {},
    // postgres.js types these as numbers, but would drop a 0
    connection: asked as object,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  })
  try {
    // postgres.js reconnects for ever to a server that accepts and closes: hence a deadline of our own.
    await withDeadline(insistOn(sql, asked), settings)
    return sql
  } catch (error) {
    await sql.end({ timeout: 0 })
    throw error
  }
}

/** Reads the start-up settings back: a pooler that drops them would also end our runs when we leave. */
async function insistOn(sql: Sql, asked: Record<string, string>): Promise<void> {
  const names = Object.keys(asked)
  // pg_settings speaks in the units that we write in, but does not list custom settings such as viewkeeper.run.
  const settings = await sql<{ name: string; setting: string | null }[]>`
    select n.name, coalesce(s.setting, current_setting(n.name, true)) as setting
      from jsonb_array_elements_text(${sql.json(names)}) as n(name) left join pg_catalog.pg_settings s on s.name = n.name`
  const dropped = settings.filter(({ name, setting }) => setting !== asked[name]).map(({ name }) => name)
  if (dropped.length > 0) {
    throw new Problem(
      'NotDirect',
      `The server does not have our start-up settings (${dropped.join(', ')}): the connection goes through a pooler. ` +
        'Give the address of the PostgreSQL server itself, not of RDS Proxy or pgbouncer.',
    )
  }
}

async function withDeadline<T>(work: Promise<T>, { host, port }: ConnectionSettings): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Problem(
          'DatabaseUnavailable',
          `No answer from the database at ${host}:${port} within ${connectDeadlineMs / 1000} s. ` +
            'Check that it runs and that its security group lets the functions in.',
        ),
      )
    }, connectDeadlineMs)
  })
  work.catch(() => {}) // when the deadline wins, this rejection comes too late for anybody
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** With an address instead of a name, Node would not check whose certificate it is: so we always do it ourselves. */
function tlsOptions({ tls, host }: ConnectionSettings) {
  if (!tls.verify) return false
  return {
    rejectUnauthorized: true,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(host, certificate),
    ...(tls.roots === null ? {} : { ca: tls.roots }),
  }
}
