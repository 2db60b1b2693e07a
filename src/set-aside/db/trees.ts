import { treesText } from '../../catalog/plan/tree.ts'
import type { Sql } from '../../server/connect.ts'
import { literal } from '../../sql/names.ts'

/** Reads what views mean, by their names as SQL writes them: equal texts mean the same. */
export async function readTrees(sql: Sql, names: string[]): Promise<Map<string, string>> {
  const rows = await sql.unsafe<{ name: string; trees: string }[]>(
    `select asked.name, (${treesText('to_regclass(asked.name)::oid')}) as trees from jsonb_array_elements_text(${literal(JSON.stringify(names))}) as asked(name)`,
  )
  return new Map(rows.map(({ name, trees }) => [name, trees]))
}
