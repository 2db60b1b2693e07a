import type { ProblemCode } from '../problem.ts'

/**
 * The problem that a SQLSTATE means for a run, by the whole code or else by its class of two characters; any other SQLSTATE
 * is ViewSqlFailed. Never by message text, which depends on the server's language.
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
 * PostgreSQL's names (appendix A, "Error Codes") for conditions whose messages may quote values of the data. For these a
 * run keeps the SQLSTATE and this text, and nothing of the server's message. A code that is not listed has the name of its
 * class (`…000`).
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

/** What happened, without the server's own words. */
export const conditionOf = (sqlstate = ''): string =>
  standardText[sqlstate] ?? standardText[`${sqlstate.slice(0, 2)}000`] ?? 'the query failed'

/**
 * SQLSTATEs of what may succeed when it is tried again: cancels, locks, time-outs, deadlocks, two changes of one catalog row, a
 * lack of resources, a server that stops.
 */
const passing = /^(08|40|53|55P03|57|58|XX000)/

/** Whether what failed with this SQLSTATE (undefined: the connection broke) says nothing about what was tried. */
export const mayPass = (sqlstate: string | undefined): boolean =>
  sqlstate === undefined || passing.test(sqlstate)
