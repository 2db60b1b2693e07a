import { forPeople } from '../words/for-people.ts'
import { Problem, sentences } from '../words/problem.ts'
import { sqlstateOf, standardText } from './failures.ts'

const untouched = 'The database is as it was before this step.'

/** A part of a file's text, which a block executes, and where the part begins. */
export interface TextPart {
  text: string
  from: number
}

/**
 * The failure of a file's SQL: the line, what failed, and the state that the database is left in. A message that quotes
 * data is replaced by the meaning of its SQLSTATE.
 */
export function sqlFailed(
  file: string,
  text: string,
  error: unknown,
  end = untouched,
  part: TextPart = { text, from: 0 },
): Problem {
  const refusal = error as ServerRefusal
  const { position, internal_position, internal_query } = refusal
  const at = position ?? (internal_query?.startsWith(part.text) ? internal_position : undefined)
  // Positions count characters; a JavaScript string may hold two units for one.
  const before = () => text.slice(0, part.from) + [...part.text].slice(0, Number(at)).join('')
  const line = at === undefined ? '' : `, line ${before().split('\n').length}`
  const sqlstate = sqlstateOf(error)
  const what = `${file}${line}: ${messageOf(refusal, sqlstate, text)} (${sqlstate ?? 'no SQLSTATE'})`
  return new Problem('MigrationFailed', sentences(what, inTheWay(refusal, sqlstate), end), {
    ...(sqlstate === undefined ? {} : { sqlstate }),
    cause: error,
  })
}

/** The server's error, as far as a message says something of it. */
interface ServerRefusal {
  message: string
  detail?: string
  constraint_name?: string
  position?: string
  internal_position?: string
  internal_query?: string
  /** The server's function that failed. */
  routine?: string
}

/** `raise` gives an error any SQLSTATE, names and detail; they may be data. */
const isRaised = ({ routine }: ServerRefusal): boolean => routine === 'exec_stmt_raise'

function messageOf(refusal: ServerRefusal, sqlstate: string | undefined, text: string): string {
  const { message, constraint_name: index } = refusal
  const standard = sqlstate && standardTextOf(sqlstate)
  if (!standard) return forPeople(message)
  if (isRaised(refusal)) return standard
  if (sqlstate === '23505' && index !== undefined) return `${standard} in index ${forPeople(index)}`
  return sqlstate === '22023' && saysOnly(message, text) ? forPeople(message) : standard
}

/** Whether all that a message quotes is in the file, as the role in `set role`. A number may be data. */
function saysOnly(message: string, text: string): boolean {
  const quoted = /"((?:[^"]|"")*)"/g
  const inFile = text.toLowerCase()
  return (
    [...message.matchAll(quoted)].every(([, said]) => inFile.includes((said as string).toLowerCase())) &&
    !/\d/.test(message.replace(quoted, ''))
  )
}

/** What is in the way of a statement that changes or drops something, as the server lists it. */
const inTheWay = (refusal: ServerRefusal, sqlstate: string | undefined): string | undefined =>
  (sqlstate === '0A000' || sqlstate === '2BP01') && !isRaised(refusal)
    ? refusal.detail?.replaceAll('\n', '; ')
    : undefined

/** The text for a SQLSTATE whose messages quote values of the data; undefined for any other SQLSTATE. */
const standardTextOf = (sqlstate: string): string | undefined =>
  /^(21|22|23)/.test(sqlstate)
    ? (standardText[sqlstate] ?? standardText[`${sqlstate.slice(0, 2)}000`] ?? 'the data do not fit')
    : undefined
