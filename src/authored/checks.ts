import { type Checks, checksOf, referred } from '../catalog/plan/checks.ts'
import { Problem } from '../problem.ts'
import { readQuery, readsOf } from './sql/read.ts'
import type { ViewReport } from './view-report.ts'
import type { ViewFields } from './view-schema.ts'

/** The checks of a view, in the form that definitions hold. Problems are reported. */
export async function checksFrom(
  { schema = 'public', name = 'view', checks = {} }: Partial<ViewFields>,
  report: ViewReport,
): Promise<Checks> {
  const written: Record<string, unknown> = { ...checks }
  for (const [check, query] of Object.entries(checks)) {
    if (typeof query === 'string')
      written[check] = await queryOf(query, { schema, name }, (message) =>
        report.add(['checks', check], message),
      )
  }
  for (const [column, text] of Object.entries(checks.references ?? {})) {
    if (!isReference(text))
      report.add(
        ['checks', 'references', column],
        'must name a table with its schema and a column: "app.shops (id)"',
      )
  }
  if (report.refuses('checks')) return {}
  const read = written as Checks
  checkNames(name, read, report)
  return read
}

/** The SQL of a check. A check runs where no names are known but the catalog's and that of the view. */
async function queryOf(
  text: string,
  view: { schema: string; name: string },
  refuse: (message: string) => void,
): Promise<string> {
  const { sql, faults } = await readQuery(text)
  for (const { message } of faults) refuse(message)
  if (faults.length > 0) return sql
  const reads = await readsOf(sql)
  const bare = reads.find(({ schema, name }) => schema === null && name !== view.name)
  if (reads.some(({ schema, name }) => schema === view.schema && name === view.name))
    refuse(
      `must name the view without its schema, ${JSON.stringify(view.name)}: that name means the new data`,
    )
  else if (bare !== undefined)
    refuse(
      `must name ${JSON.stringify(bare.name)} with its schema: only the view itself is known without one`,
    )
  else if (!reads.some(({ schema }) => schema === null))
    refuse(`does not read the view: write "from ${view.name}"`)
  return sql
}

/** Refuses two checks of one name, and a severity of a check that is not there. */
function checkNames(view: string, checks: Checks, report: ViewReport): void {
  const all = checksOf(view, checks)
  const names = new Set<string>()
  for (const { name, field } of all) {
    if (names.has(name))
      report.add(['checks', field], `has check ${JSON.stringify(name)} twice: leave one of them out`)
    names.add(name)
  }
  for (const name of Object.keys(checks.severity ?? {})) {
    if (!all.some((check) => check.name === name || check.field === name))
      report.add(
        ['checks', 'severity', name],
        `is not a check of the view: the checks are ${[...names].join(', ')}`,
      )
  }
}

function isReference(text: string): boolean {
  try {
    referred(text)
    return /\./.test(text)
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}
