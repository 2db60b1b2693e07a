import { StatementRefused } from '../rebuild/db/statements.ts'
import { problemOf, sqlstateOf } from '../server/failures.ts'
import { quoteName, withoutShadowNames } from '../sql/names.ts'
import { displayName } from '../words/names.ts'
import { Problem, sentences } from '../words/problem.ts'
import type { RunError } from '../words/run.ts'
import {
  type FrozenChange,
  type FrozenText,
  headerLines,
  isViewChange,
  partsOf,
  renderFrozen,
  statementsOf,
  viewBefore,
  viewChangesOf,
} from './plan/frozen.ts'

/**
 * The failure of a migration that began nothing; with the file's line if the server refused a statement
 * there.
 */
export const failed = ({ file, text, change, why }: FrozenText, thrown: unknown): unknown =>
  described(change, thrown, {
    whole: `migrations/${file}`,
    at: (error) => `migrations/${file}, line ${lineOf({ text, change, why }, error)}`,
    end: 'The database is as it was before this migration.',
    refusalEnd: '',
  })

/** The same for a migration that is not written yet: names the view, because no file exists. */
export const notFrozen = ({ change }: FrozenText, thrown: unknown): unknown =>
  described(change, thrown, {
    whole: displayView(change),
    at: (error) => `${displayView(partAt(change, error))}, ${placeOf(change, error)}`,
    end: 'Nothing was written.',
    refusalEnd: 'Nothing was written.',
  })

/** The same for the way back of a migration: the SQL at fault is what was frozen before. */
export const wayBackFailed = ({ change }: FrozenText, thrown: unknown): unknown => {
  const whole = `${displayView(change)}: the way back does not work in this database as it is now`
  return described(change, thrown, {
    whole,
    at: (error) => `${whole}: what was frozen before, ${placeOf(change, error)}`,
    end: '`migrate down` is refused until the cause is removed.',
    refusalEnd: '',
  })
}

/** Where in a definition a statement is. */
const placeOf = (change: FrozenChange, error: StatementRefused): string =>
  error.at === 0 ? `line ${Math.max(error.line - 1, 1)} of its query` : statementOf(change, error)

/** The failure of a migration's run, as its record says it. */
export const runFailed = ({ file, change }: FrozenText, runId: number, error: RunError): Problem =>
  new Problem(
    'MigrationFailed',
    sentences(
      `migrations/${file}: ${inPublic(textOfRunError(error, runId), change)}`,
      'The database is as it was before this migration.',
    ),
    { runId, ...(error.sqlstate === undefined ? {} : { sqlstate: error.sqlstate }) },
  )

/** The error of a run as one text, with the run's number. */
export const textOfRunError = (
  { class: code, message, sqlstate, detail, hint }: RunError,
  runId: number,
): string => sentences(`${message} (${sqlstate ?? code}), run ${runId}`, detail, hint)

interface Words {
  whole: string
  /** Where a statement of the definition is. */
  at: (error: StatementRefused) => string
  end: string
  /** The end of the message if a Problem refuses the change. */
  refusalEnd: string
}

function described(change: FrozenChange, thrown: unknown, { whole, at, end, refusalEnd }: Words): unknown {
  const error = thrown instanceof StatementRefused ? thrown : problemOf(thrown)
  if (error instanceof Problem) {
    return error.code === 'InternalError'
      ? error
      : new Problem(
          'MigrationFailed',
          refusalEnd === ''
            ? `${whole}: ${error.message}`
            : sentences(`${whole}: ${error.message}`, refusalEnd),
          {
            ...error.details,
            cause: error,
          },
        )
  }
  if (!(error instanceof StatementRefused) || viewChangesOf(change).length === 0) return error
  const sqlstate = sqlstateOf(error.cause)
  const { carries } = error.statement
  const where = error.inDefinition
    ? at(error)
    : carries === undefined
      ? whole
      : `${whole}: ${carries} could not be carried over`
  return new Problem(
    'MigrationFailed',
    sentences(
      `${where}: ${inPublic(error.message, change)} (${sqlstate ?? 'no SQLSTATE'})`,
      // What depends on it.
      sqlstate === '2BP01' && (error.cause as { detail?: string }).detail?.replaceAll('\n', '; '),
      error.missing,
      end,
    ),
    { ...(sqlstate === undefined ? {} : { sqlstate }), cause: error },
  )
}

/** The line of the file in which the server found the error. */
function lineOf(
  { text, change, why }: Pick<FrozenText, 'text' | 'change' | 'why'>,
  error: StatementRefused,
): number {
  const part = partAt(change, error)
  const ofPart = part === change ? text : renderFrozen({ change: part, why })
  const before = isViewChange(part) ? statementsOf(part).slice(0, error.at) : []
  const above = text.slice(0, Math.max(text.indexOf(ofPart), 0)).split('\n').length - 1
  return above + headerLines(ofPart) + before.flatMap((sql) => [...sql.split('\n'), '']).length + error.line
}

/** The part of a change that a statement comes from. */
const partAt = (change: FrozenChange, { view }: StatementRefused): FrozenChange =>
  partsOf(change).find(
    (part) => isViewChange(part) && view !== null && quoteName(viewBefore(part)) === quoteName(view),
  ) ?? change

function statementOf(change: FrozenChange, error: StatementRefused): string {
  const part = partAt(change, error)
  return (isViewChange(part) ? (statementsOf(part)[error.at] ?? '') : '').split('\n')[0] as string
}

const displayView = (change: FrozenChange): string =>
  viewChangesOf(change)
    .map((part) => displayName(viewBefore(part)))
    .join(', ')

/** Shows the view's name instead of the temporary names of its shadow. */
const inPublic = (message: string, change: FrozenChange): string =>
  withoutShadowNames(message, displayView(change))
