import { Problem, type ProblemCode, sentences } from '../problem.ts'
import { problemOfSqlstate } from './sqlstate.ts'

/** The SQLSTATE of an error that the server sent; undefined for any other error. EPIPE only looks like one. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && code !== 'EPIPE' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Codes of Node's sockets and of postgres.js for a server that cannot be reached, or not any more. */
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

/** The codes that mean a broken connection. */
const broken = new Set([
  'ECONNRESET',
  'EPIPE',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
])

/** SQLSTATEs of a server that starts or stops, has lost the connection, or is too slow. */
const unavailable = /^(57P0[1235]|57014|08)/

const migrateAdvice = 'Deploy again, or migrate: that creates what is missing.'

/** The meaning of each SQLSTATE of our own statements that is no defect of ours. */
const ofOurStatements: Record<string, { code: ProblemCode; advice: string }> = {
  '08P01': { code: 'NotDirect', advice: "Give the PostgreSQL server's own address, not that of pgbouncer." },
  '28P01': {
    code: 'CredentialsRefused',
    advice: 'Check the user and password in the secret or in DATABASE_URL.',
  },
  '28000': {
    code: 'CredentialsRefused',
    advice:
      'Check the user, in the secret or in DATABASE_URL, and that TLS is on; with IAM, that the user is a member of rds_iam.',
  },
  '53300': {
    code: 'TooManyConnections',
    advice:
      'Try again in some seconds. If that fails too, find out in pg_stat_activity who holds connections, and raise the connection limit of ' +
      "Viewkeeper's role, or the server's max_connections.",
  },
  '22P05': {
    code: 'InvalidRequest',
    advice: 'Leave out the characters that the encoding of the database lacks.',
  },
  '23503': {
    code: 'CatalogChanged',
    advice: 'Somebody has deleted the definition of a view, or the batch, meanwhile: try again.',
  },
  '25006': {
    code: 'DatabaseReadOnly',
    advice:
      'This server is a standby, or stopped writing. Give the address of the primary, which is the cluster endpoint of ' +
      'Aurora. After a failover, try again in a minute.',
  },
  '3D000': { code: 'DatabaseUnavailable', advice: 'Check the name of the database.' },
  '3F000': { code: 'NotMigrated', advice: migrateAdvice },
  '42P01': { code: 'NotMigrated', advice: migrateAdvice },
  '42703': { code: 'NotMigrated', advice: migrateAdvice },
}

/**
 * The Problem for an error of the database or of the connection. Any other error is returned unchanged. The server's
 * message is kept only if it cannot quote data. `fix`: what to do about a missing right.
 */
export function problemOf(error: unknown, fix: string | null = null): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error
  const sqlstate = sqlstateOf(error)
  if (sqlstate === undefined)
    return isTls(error) || unreachable.has(codeOf(error) ?? '') ? unavailableDatabase(error) : error
  const known = ofOurStatements[sqlstate]
  const details = { sqlstate, cause: error }
  if (known !== undefined) return new Problem(known.code, sentences(error.message, known.advice), details)
  if (unavailable.test(sqlstate)) return unavailableDatabase(error)
  const code = problemOfSqlstate[sqlstate] ?? problemOfSqlstate[sqlstate.slice(0, 2)]
  // If a right is missing, the server's detail names the right. The detail quotes no data.
  const detail = sqlstate === '42501' ? (error as { detail?: string }).detail : undefined
  return code === undefined ? error : new Problem(code, sentences(error.message, detail, fix), details)
}

/**
 * Whether a failure to connect may pass by itself: the server sleeps, starts, stops, has no connection free, or cannot be reached
 * at the moment.
 */
export function mayConnectLater(error: unknown): boolean {
  if (!(error instanceof Problem)) return false
  const { code, cause } = error
  if (code !== 'DatabaseUnavailable') return code === 'TooManyConnections'
  return (
    cause === undefined || unreachable.has(codeOf(cause) ?? '') || unavailable.test(sqlstateOf(cause) ?? '')
  )
}

const tlsAdvice =
  ' The server needs a certificate for this host name, signed by a known root. Give other roots (PEM) in DATABASE_CA, or ' +
  'as sslrootcert in DATABASE_URL.'

const unavailableDatabase = (cause: Error): Problem =>
  new Problem(
    'DatabaseUnavailable',
    broken.has(codeOf(cause) ?? '')
      ? `The connection to the database broke (${codeOf(cause)}). Try again.`
      : `The database cannot be reached: ${sentences(cause.message)}${isTls(cause) ? tlsAdvice : ''}`,
    { cause },
  )

const isTls = (error: Error): boolean =>
  /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(codeOf(error) ?? '')

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}
