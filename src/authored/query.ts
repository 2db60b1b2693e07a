import type { QueryInput } from './inputs.ts'
import { readQuery } from './sql/read.ts'
import type { ViewReport } from './view-report.ts'

/** The SQL of a view's query, in the form that definitions hold. Problems are reported. */
export async function sqlOf(query: QueryInput, report: ViewReport): Promise<string> {
  const text = textOf(query, report)
  if (text === null) return ''
  const { sql, faults } = await readQuery(text)
  for (const { message, line } of faults) report.add(['query'], message, report.places.query(text, line))
  return sql
}

/** The text of a query; null, and a problem, if a query builder gives none. Bound values are never shown. */
function textOf(query: QueryInput, report: ViewReport): string | null {
  if (typeof query === 'string') return query
  try {
    const { sql, values, write } = compile(query)
    if (values === 0) return sql
    report.add(
      ['query'],
      `binds ${values === 1 ? 'a value' : `${values} values`}, and a view has no parameters: write ${write}`,
    )
  } catch (error) {
    report.add(['query'], `cannot be compiled: ${(error as Error).message}`)
  }
  return null
}

function compile(query: Exclude<QueryInput, string>): { sql: string; values: number; write: string } {
  if ('compile' in query) {
    const { sql, parameters } = query.compile()
    return { sql, values: parameters.length, write: 'each with sql.lit(…)' }
  }
  const { sql, params } = query.toSQL()
  return {
    sql,
    values: params.length,
    write: 'each with sql.raw(…) or sql`…`.inlineParams(), or the query as a text',
  }
}
