import { Problem } from '../../problem.ts'
import { sqlstateOf } from './failures.ts'
import { standardText } from './sqlstate.ts'

export const untouched = 'The database is as it was before this step.'

/** What failed, in which line, and what is left of it. Messages that quote data are replaced by what their SQLSTATE means. */
export function sqlFailed(file: string, text: string, error: unknown, end = untouched): Problem {
  const { message, position } = error as { message: string; position?: string }
  const line =
    position === undefined ? '' : `, line ${[...text].slice(0, Number(position)).join('').split('\n').length}`
  const sqlstate = sqlstateOf(error)
  const said = sqlstate === undefined ? message : (standardTextOf(sqlstate) ?? message)
  return new Problem('MigrationFailed', `${file}${line}: ${said} (${sqlstate ?? 'no SQLSTATE'}). ${end}`, {
    ...(sqlstate === undefined ? {} : { sqlstate }),
    cause: error,
  })
}

/** For SQLSTATEs whose messages quote values of the data; undefined for the others. */
const standardTextOf = (sqlstate: string): string | undefined =>
  /^(21|22|23)/.test(sqlstate)
    ? (standardText[sqlstate] ?? standardText[`${sqlstate.slice(0, 2)}000`] ?? 'the data do not fit')
    : undefined
