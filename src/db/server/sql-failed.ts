import { Problem } from '../../problem.ts'
import { sqlstateOf } from './failures.ts'
import { standardText } from './sqlstate.ts'

const untouched = 'The database is as it was before this step.'

/** A part of a file's text, which a block executes, and where the part begins. */
export interface Part {
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
  part: Part = { text, from: 0 },
): Problem {
  const { message, position, internal_position, internal_query } = error as {
    message: string
    position?: string
    internal_position?: string
    internal_query?: string
  }
  const at = position ?? (internal_query?.startsWith(part.text) ? internal_position : undefined)
  // Positions count characters; a JavaScript string may hold two units for one.
  const before = () => text.slice(0, part.from) + [...part.text].slice(0, Number(at)).join('')
  const line = at === undefined ? '' : `, line ${before().split('\n').length}`
  const sqlstate = sqlstateOf(error)
  const said = sqlstate === undefined ? message : (standardTextOf(sqlstate) ?? message)
  return new Problem('MigrationFailed', `${file}${line}: ${said} (${sqlstate ?? 'no SQLSTATE'}). ${end}`, {
    ...(sqlstate === undefined ? {} : { sqlstate }),
    cause: error,
  })
}

/** The text for a SQLSTATE whose messages quote values of the data; undefined for any other SQLSTATE. */
const standardTextOf = (sqlstate: string): string | undefined =>
  /^(21|22|23)/.test(sqlstate)
    ? (standardText[sqlstate] ?? standardText[`${sqlstate.slice(0, 2)}000`] ?? 'the data do not fit')
    : undefined
