import type { Sql } from '../../server/connect.ts'
import type { QualifiedName } from '../../sql/names.ts'

/** The id of the view's running run. */
export async function findRunningRun(sql: Sql, { schema, name }: QualifiedName): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where schema_name = ${schema} and view_name = ${name} and status = 'running'`
  return row?.id
}
