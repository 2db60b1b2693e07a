import { Problem } from '../../problem.ts'
import { sqlstateOf } from './failures.ts'
import { standardText } from './sqlstate.ts'

const untouched = 'The database is as it was before this step.'

/**
 * The failure of a file's SQL: the line, what failed, and the state that the database is left in. `executed` is the text
 * that a block has executed, if it is not `text`. A message that quotes data is replaced by the meaning of its SQLSTATE.
 */
export function sqlFailed(
  file: string,
  text: string,
  error: unknown,
  end = untouched,
  executed = text,
): Problem {
  const { message, position, internal_position, internal_query } = error as {
    message: string
    position?: string
    internal_position?: string
    internal_query?: string
  }
  const at = position ?? (internal_query?.startsWith(executed) ? internal_position : undefined)
  const line = at === undefined ? '' : `, line ${[...text].slice(0, Number(at)).join('').split('\n').length}`
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
