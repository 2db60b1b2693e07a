import { StatementRefused } from '../db/attempt.ts'
import { sqlstateOf } from '../db/failures.ts'
import type { FrozenText } from '../db/frozen-migrations.ts'
import type { RunError } from '../db/runs.ts'
import { headerLines, statementsOf } from '../plan/frozen.ts'
import { displayName } from '../plan/names.ts'
import { Problem } from '../problem.ts'

/** The failure of a migration before anything was begun, with the line of its file. */
export function failed({ file, text, step }: FrozenText, error: unknown): unknown {
  if (error instanceof Problem && error.code !== 'InternalError') {
    return new Problem('MigrationFailed', `migrations/${file}: ${error.message}`, {
      ...error.details,
      cause: error,
    })
  }
  if (!(error instanceof StatementRefused) || step.does === 'sql') return error
  const sqlstate = sqlstateOf(error.cause)
  const before = statementsOf(step).slice(0, error.at)
  const line =
    headerLines(text) +
    before
      .map((sql) => `${sql};\n\n`)
      .join('')
      .split('\n').length -
    1 +
    error.line
  return new Problem(
    'MigrationFailed',
    `migrations/${file}, line ${line}: ${error.message} (${sqlstate ?? 'no SQLSTATE'}). The database is as it was before this migration.`,
    { ...(sqlstate === undefined ? {} : { sqlstate }), cause: error },
  )
}

/** The same of a migration that is not written yet: its author knows the view, not the file. */
export function notFrozen({ step }: FrozenText, error: unknown): unknown {
  const view = step.does === 'sql' ? '' : displayName(step.does === 'define' ? step.definition : step.view)
  if (error instanceof Problem && error.code !== 'InternalError') {
    return new Problem('MigrationFailed', `${view}: ${error.message} Nothing was written.`, {
      ...error.details,
      cause: error,
    })
  }
  if (!(error instanceof StatementRefused)) return error
  const sqlstate = sqlstateOf(error.cause)
  const inQuery = error.at === 0 && step.does === 'define'
  const where = inQuery ? `line ${Math.max(error.line - 1, 1)} of its query` : error.step.sql.split('\n')[0]
  return new Problem(
    'MigrationFailed',
    `${view}, ${where}: ${error.message} (${sqlstate ?? 'no SQLSTATE'}). Nothing was written.`,
    { ...(sqlstate === undefined ? {} : { sqlstate }), cause: error },
  )
}

/** The failure of a migration's run, as its record says it. */
export const runFailed = (
  { file }: FrozenText,
  runId: number,
  { class: code, message, sqlstate, detail, hint }: RunError,
): Problem =>
  new Problem(
    'MigrationFailed',
    `migrations/${file}: ${[message, detail, hint].filter(Boolean).join(' ')} (${sqlstate ?? code}), run ${runId}. The database is as it was before this migration.`,
    { runId, ...(sqlstate === undefined ? {} : { sqlstate }) },
  )
