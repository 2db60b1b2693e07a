import { Problem, type ProblemCode } from '../../problem.ts'
import { problemOfSqlstate } from './sqlstate.ts'

/** The SQLSTATE of an error the server sent; undefined for anything else. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Codes of Node's sockets and of postgres.js that say: no server there, or not any more. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
])

/** Those of them that say it of a connection that was there. */
const broken = new Set([
  'ECONNRESET',
  'EPIPE',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
])

/** SQLSTATEs that say it of a server that starts, stops, has lost us, or has become a reader's copy; or does not get on. */
const unavailable = /^(57P0[1235]|57014|25006|08)/

const migrateAdvice = 'Deploy again, or run the migrations: they create what is missing.'

/** What each failure of our own statements means, where it is not a defect of ours. */
const ofOurStatements: Record<string, { code: ProblemCode; advice: string }> = {
  '08P01': { code: 'NotDirect', advice: "Give the PostgreSQL server's own address, not that of pgbouncer." },
  '28P01': {
    code: 'CredentialsRefused',
    advice: "Check the user and password: the secret's, or those in DATABASE_URL.",
  },
  '28000': {
    code: 'CredentialsRefused',
    advice: 'Check the user, in the secret or in DATABASE_URL, and that TLS is on.',
  },
  '53300': {
    code: 'TooManyConnections',
    advice:
      'Try again in some seconds. If it stays so, look in pg_stat_activity who holds them; then raise the connection limit of ' +
      "Viewkeeper's role, or the server's max_connections.",
  },
  '3D000': { code: 'DatabaseUnavailable', advice: 'Check the name of the database.' },
  '3F000': { code: 'NotMigrated', advice: migrateAdvice },
  '42P01': { code: 'NotMigrated', advice: migrateAdvice },
  '42703': { code: 'NotMigrated', advice: migrateAdvice },
}

/**
 * The Problem that an error of the database or of the way to it is; what is none of these comes back as it was.
 * The server's message is kept only where it cannot quote data.
 */
export function problemOf(error: unknown): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error
  const sqlstate = sqlstateOf(error)
  if (sqlstate === undefined)
    return isTls(error) || unreachable.has(codeOf(error) ?? '') ? unavailableDatabase(error) : error
  const known = ofOurStatements[sqlstate]
  const details = { sqlstate, cause: error }
  if (known !== undefined)
    return new Problem(known.code, `${sentence(error.message)} ${known.advice}`, details)
  if (unavailable.test(sqlstate)) return unavailableDatabase(error)
  const code = problemOfSqlstate[sqlstate] ?? problemOfSqlstate[sqlstate.slice(0, 2)]
  // For a missing right the server's detail says which; it quotes no data.
  const detail = sqlstate === '42501' ? (error as { detail?: string }).detail : undefined
  return code === undefined
    ? error
    : new Problem(
        code,
        detail ? `${sentence(error.message)} ${sentence(detail)}` : sentence(error.message),
        details,
      )
}

const tlsAdvice =
  ' Its certificate has to be for this very host name, by a root that is known: give others (PEM) in DATABASE_CA, or as ' +
  'sslrootcert in DATABASE_URL.'

const unavailableDatabase = (cause: Error): Problem =>
  new Problem(
    'DatabaseUnavailable',
    broken.has(codeOf(cause) ?? '')
      ? `The connection to the database broke (${codeOf(cause)}). Try again.`
      : `The database cannot be reached: ${sentence(cause.message)}${isTls(cause) ? tlsAdvice : ''}`,
    { cause },
  )

const isTls = (error: Error): boolean =>
  /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(codeOf(error) ?? '')

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
