import { Problem, type ProblemCode } from '../problem.ts'
import { problemOf, sqlstateOf } from './failures.ts'

/** Where we connect, and as whom. */
interface Place {
  database: string
  user: string
}

/** The meaning of each SQLSTATE that means something else, or needs other advice, while we connect. */
const whileConnecting: Record<string, { code: ProblemCode; advice: (place: Place) => string }> = {
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
export function problemOfConnecting(error: unknown, place: Place): unknown {
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
