import { Problem, type ProblemCode, sentences } from '../words/problem.ts'

/**
 * The class of a run's failure by SQLSTATE: by the whole code, else by its first two characters, else ViewSqlFailed. The
 * text of a message never decides, because it depends on the server's language.
 */
export const problemOfSqlstate: Record<string, ProblemCode> = {
  '40P01': 'Deadlock',
  '42501': 'InsufficientPrivilege',
  '53': 'InsufficientResources',
  '53100': 'DiskFull',
  '55P03': 'LockTimeout',
  '58000': 'InsufficientResources',
  '58030': 'InsufficientResources',
  '2BP01': 'DependentsExist',
}

/**
 * PostgreSQL's names of conditions (appendix A, "Error Codes"), by SQLSTATE. If a message may quote data, the record of the run
 * has the SQLSTATE and this name instead of the message. A code that is not listed has the name of its class (`…000`).
 */
export const standardText: Record<string, string> = {
  '21000': 'cardinality violation',
  '22000': 'data exception',
  '22001': 'string data right truncation',
  '22002': 'null value, no indicator parameter',
  '22003': 'numeric value out of range',
  '22004': 'null value not allowed',
  '22005': 'error in assignment',
  '22007': 'invalid datetime format',
  '22008': 'datetime field overflow',
  '22009': 'invalid time zone displacement value',
  '22011': 'substring error',
  '22012': 'division by zero',
  '22013': 'invalid preceding or following size',
  '22014': 'invalid argument for ntile function',
  '22016': 'invalid argument for nth_value function',
  '22018': 'invalid character value for cast',
  '2201B': 'invalid regular expression',
  '2201E': 'invalid argument for logarithm',
  '2201F': 'invalid argument for power function',
  '2201G': 'invalid argument for width_bucket function',
  '2201W': 'invalid row count in limit clause',
  '2201X': 'invalid row count in result offset clause',
  '22021': 'character not in repertoire',
  '22023': 'invalid parameter value',
  '22025': 'invalid escape sequence',
  '22026': 'string data length mismatch',
  '22027': 'trim error',
  '2202E': 'array subscript error',
  '2202G': 'invalid tablesample repeat',
  '2202H': 'invalid tablesample argument',
  '22030': 'duplicate JSON object key value',
  '22031': 'invalid argument for SQL/JSON datetime function',
  '22032': 'invalid JSON text',
  '22033': 'invalid SQL/JSON subscript',
  '22034': 'more than one SQL/JSON item',
  '22035': 'no SQL/JSON item',
  '22036': 'non-numeric SQL/JSON item',
  '22037': 'non-unique keys in a JSON object',
  '22038': 'singleton SQL/JSON item required',
  '22039': 'SQL/JSON array not found',
  '2203A': 'SQL/JSON member not found',
  '2203B': 'SQL/JSON number not found',
  '2203C': 'SQL/JSON object not found',
  '2203F': 'SQL/JSON scalar required',
  '2203G': 'SQL/JSON item cannot be cast to target type',
  '22P01': 'floating-point exception',
  '22P02': 'invalid text representation',
  '22P03': 'invalid binary representation',
  '22P04': 'bad copy file format',
  '22P05': 'untranslatable character',
  '23000': 'integrity constraint violation',
  '23001': 'restrict violation',
  '23502': 'not null violation',
  '23503': 'foreign key violation',
  '23505': 'unique violation',
  '23514': 'check violation',
  '23P01': 'exclusion violation',
  '08000': 'connection exception',
  '0A000': 'feature not supported',
  '25000': 'invalid transaction state',
  '25006': 'read only sql transaction',
  '2BP01': 'dependent objects still exist',
  '2F000': 'SQL routine exception',
  '38000': 'external routine exception',
  '39000': 'external routine invocation exception',
  '3D000': 'invalid catalog name',
  '3F000': 'invalid schema name',
  '40000': 'transaction rollback',
  '40001': 'serialization failure',
  '40P01': 'deadlock detected',
  '42000': 'syntax error or access rule violation',
  '42501': 'insufficient privilege',
  '42601': 'syntax error',
  '42602': 'invalid name',
  '42703': 'undefined column',
  '42704': 'undefined object',
  '42883': 'undefined function',
  '42P01': 'undefined table',
  '53000': 'insufficient resources',
  '53100': 'disk full',
  '53200': 'out of memory',
  '54000': 'program limit exceeded',
  '55000': 'object not in prerequisite state',
  '55P03': 'lock not available',
  '57000': 'operator intervention',
  '57014': 'query canceled',
  '58000': 'system error',
  HV000: 'foreign data wrapper error',
  P0000: 'PL/pgSQL error',
  P0001: 'a function raised an exception',
  P0004: 'assert failure',
  XX000: 'internal error',
}

/**
 * What the record may say, besides the condition, of a failure while rows were computed, by SQLSTATE: `whole` the server's message, or
 * only names that stand in the catalog or in the SQL too. The rest of a message may quote values, such as the 12x of an invalid
 * number, and a value may look like a name. `of` says whose name or message it is.
 */
const saidOfRows: Record<string, { says: 'whole' | 'names' | 'index'; of: string }> = {
  // The detail quotes a row.
  '21000': { says: 'index', of: 'the unique indexes of the view' },
  '23505': { says: 'index', of: 'the unique index, if the view has one of that name' },
  // The error has its name in a field of its own.
  '23514': { says: 'names', of: 'the constraint, and its domain' },
  '2F003': { says: 'whole', of: 'a foreign server that wants a password' },
  '42501': { says: 'names', of: 'the function that makes a temporary table' },
  '42703': { says: 'names', of: 'the column' },
  '42704': { says: 'names', of: 'the type, or the setting' },
  '42883': { says: 'names', of: 'the function' },
  '42P01': { says: 'names', of: 'the table that was not found, and where it is named' },
  '53400': { says: 'whole', of: "a limit of the server's configuration" },
}
/** The SQLSTATEs of `saidOfRows` with this `says`. */
export const statesThatSay = (what: 'whole' | 'names'): string[] =>
  Object.keys(saidOfRows).filter((state) => saidOfRows[state]!.says === what)

/** PostgreSQL's name of a condition: a text without data. */
export const conditionOf = (sqlstate = ''): string =>
  standardText[sqlstate] ?? standardText[`${sqlstate.slice(0, 2)}000`] ?? 'the query failed'

/**
 * SQLSTATEs of failures that a retry may mend: cancels, locks, time-outs, deadlocks, two changes of one catalog row, a lack of
 * resources, a server that stops.
 */
const passing = /^(08|40|53|55P03|57|58|XX000)/

/** Whether a retry may mend a failure with this SQLSTATE; undefined: the connection broke. */
export const mayPass = (sqlstate: string | undefined): boolean =>
  sqlstate === undefined || passing.test(sqlstate)

/** The SQLSTATE of an error that the server sent; undefined for any other error. Node's EPIPE only looks like a SQLSTATE. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && code !== 'EPIPE' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Codes of Node and of postgres.js for a server that cannot be reached, or a connection that broke. */
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

/** Those of `unreachable` that mean that an open connection broke. */
const broken = new Set([
  'ECONNRESET',
  'EPIPE',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
])

/** SQLSTATEs of a server that starts or stops, has lost the connection, or is too slow. */
const unavailable = /^(57P0[1235]|57014|08)/

export const primaryAdvice =
  'Give the address of the primary, which is the cluster endpoint of Aurora. After a failover, try again in a minute.'

const migrateAdvice = 'Deploy again, or migrate: that creates what is missing.'

/** SQLSTATEs of our own statements, not of a run, that mean something else than a defect: the code, and what to do. */
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
    advice: `This server is a standby, or stopped writing. ${primaryAdvice}`,
  },
  '3D000': { code: 'DatabaseUnavailable', advice: 'Check the name of the database.' },
  '3F000': { code: 'NotMigrated', advice: migrateAdvice },
  '42P01': { code: 'NotMigrated', advice: migrateAdvice },
  '42703': { code: 'NotMigrated', advice: migrateAdvice },
}

/**
 * The Problem for an error of the connection or of one of our own statements, with the server's message if that quotes no data.
 * Returns any other error unchanged. `fix`: what to do about a missing right, appended to the message.
 */
export function problemOf(error: unknown, fix: string | null = null): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error
  const sqlstate = sqlstateOf(error)
  if (sqlstate === undefined)
    return isTls(error) || unreachable.has(codeOf(error) ?? '') ? unavailableDatabase(error) : error
  const known = ofOurStatements[sqlstate]
  const details = { sqlstate, cause: error }
  const message = error.message.replace(/[\r\n]+/g, ' ')
  if (known !== undefined) return new Problem(known.code, sentences(message, known.advice), details)
  if (unavailable.test(sqlstate)) return unavailableDatabase(error)
  const code = problemOfSqlstate[sqlstate] ?? problemOfSqlstate[sqlstate.slice(0, 2)]
  // 42501: the server's detail names the missing right, and quotes no data. 53200: the hint names the setting if the lock table is full.
  const { detail, hint = '' } = error as { detail?: string; hint?: string }
  const [setting] = (sqlstate === '53200' && /max_(pred_)?locks_per_transaction/.exec(hint)) || []
  const told = sqlstate === '42501' ? detail : setting && `Raise ${setting} and restart the server`
  return code === undefined ? error : new Problem(code, sentences(message, told, fix), details)
}

/**
 * Whether another attempt to connect may succeed: the server sleeps, starts, stops, has no connection free, or could not be
 * reached.
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
  ' The server needs a certificate for this host name, signed by a known root. Give other roots (PEM) as ' +
  'certificateAuthority of the construct Viewkeeper, or as sslrootcert in DATABASE_URL.'

const unavailableDatabase = (cause: Error): Problem =>
  new Problem(
    'DatabaseUnavailable',
    broken.has(codeOf(cause) ?? '')
      ? `The connection to the database broke (${codeOf(cause)}). Try again.`
      : `The database cannot be reached: ${sentences(cause.message)}${isTls(cause) ? tlsAdvice : ''}`,
    { cause },
  )

/** Whether the server's certificate was refused: expired, or signed by no known root. */
export const isUntrusted = (error: unknown): boolean =>
  /^(CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(codeOf(error) ?? '')

const isTls = (error: Error): boolean => isUntrusted(error) || /^ERR_(TLS|SSL)/.test(codeOf(error) ?? '')

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Returns the result of `work`, or throws DatabaseUnavailable with `message` at the deadline (epoch milliseconds). `work` is not stopped. */
export async function withDeadline<T>(work: Promise<T>, deadline: number, message: string): Promise<T> {
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
