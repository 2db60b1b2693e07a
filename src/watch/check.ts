import { checksOf, type DataCheck } from '../catalog/plan/checks.ts'
import { executeStatements, StatementRefused } from '../rebuild/db/statements.ts'
import { type Checked, insistOnChecking, measureCheck } from '../rebuild/plan/check-data.ts'
import { setting } from '../rebuild/plan/locks.ts'
import { ensureDefinition } from '../record/definitions/definitions.ts'
import { readView } from '../record/definitions/look.ts'
import { readMadeCheck } from '../record/runs/history.ts'
import { resolveName } from '../run/name.ts'
import type { Database, Sql } from '../server/database.ts'
import { conditionOf, sqlstateOf } from '../server/failures.ts'
import { undone } from '../server/transactions.ts'
import { readSettings } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'

/** What a check has found in the data that readers see. */
interface CheckFinding {
  name: string
  /** It only warns. */
  severity?: 'warn'
  /** How many rows it found; null: it could not be made. */
  rows: number | null
  ms: number | null
  /** Why it could not be made, without row data; null: it was made. */
  error: { sqlstate: string | null; message: string } | null
  /** The query that shows the rows. It knows the view by its name without a schema. */
  query: string
}

interface ViewVerdict {
  view: string
  /** Whether no check found anything, besides those that only warn. */
  passes: boolean
  checks: CheckFinding[]
}

/** All checks of one view take at most so long. */
const mostMs = 18_000

/** Makes the checks of a view on the data that readers see, and changes nothing. Throws ViewSqlFailed if the view holds no data. */
export const checkView = (database: Database, written: string): Promise<ViewVerdict> =>
  database.withConnection(async (sql) => {
    const until = Date.now() + mostMs
    const name = await resolveName(sql, written)
    const view = await readView(sql, name)
    const { checks, settings } = await ensureDefinition(sql, name)
    const all = checksOf(view.name, checks).filter(({ atMost }) => atMost === undefined)
    if (all.length > 0 && !view.populated)
      throw new Problem(
        'ViewSqlFailed',
        `${view.view} holds no data, so its checks have nothing to look at. Refresh it first: viewkeeper refresh ${view.view}`,
      )
    const made: CheckFinding[] = []
    for (const check of all) {
      const checked = { view, relation: view, seal: insistOnChecking(view) }
      made.push(await checkOne(sql, checked, check, readSettings(view.view, settings), until))
    }
    return {
      view: view.view,
      passes: made.every(({ severity, rows }) => severity === 'warn' || rows === 0),
      checks: made,
    }
  })

async function checkOne(
  sql: Sql,
  checked: Checked,
  check: DataCheck,
  settings: Record<string, string>,
  until: number,
): Promise<CheckFinding> {
  const { name, query, warns } = check
  const of = { name, ...(warns && { severity: 'warn' as const }), query }
  try {
    const { rows, ms } = await undone(sql, async (part) => {
      const set = Object.entries(settings).map(([key, value]) => setting(key, value))
      const limit = setting('statement_timeout', String(Math.max(1, until - Date.now())))
      await executeStatements(part, [...set, limit, ...measureCheck(checked, check)], false)
      return readMadeCheck(part)
    })
    return { ...of, rows, ms, error: null }
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error
    // The server's own words may quote rows.
    const sqlstate = sqlstateOf(error.cause)
    const message =
      sqlstate === '57014'
        ? `canceled; the checks of a view have ${mostMs / 1000} s here`
        : [conditionOf(sqlstate), error.unfound?.what, error.missing].filter(Boolean).join(' ')
    return { ...of, rows: null, ms: null, error: { sqlstate: sqlstate ?? null, message } }
  }
}
