import type { ReadQuery } from '../../catalog/plan/assumed-shadow.ts'
import { readable } from '../../catalog/plan/server-sql.ts'
import { queryOf } from '../../rebuild/plan/create.ts'
import type { Sql } from '../../server/connect.ts'
import { takeRolePath, takeSafePath } from '../../server/role-path.ts'
import { undone } from '../../server/transactions.ts'
import { type Authored, takePath } from '../../set-aside/db/trial.ts'

/**
 * Whether the login may write nothing of Viewkeeper's. Only such a login may parse somebody's SQL as itself:
 * parsing can execute the code of others, such as the check of a domain.
 */
export async function onlyReads(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ only: boolean }[]>`
    select not exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'viewkeeper' and c.relkind = 'r'
         and (pg_has_role(c.relowner, 'MEMBER') or has_table_privilege(c.oid, 'insert, update, delete'))) as only`
  return row?.only ?? false
}

/**
 * How this server writes a definition's query, and the columns. A temporary view of the query is made and undone, which takes
 * no right on what the query reads.
 */
export const readQuery = (sql: Sql, definition: Authored): Promise<ReadQuery> =>
  undone(sql, async (part) => {
    const name = 'pg_temp.viewkeeper_0'
    await takePath(part, definition)
    await takeRolePath(part, { local: true })
    await part.unsafe(`create temporary view ${name} as\n${queryOf(definition.sql)}`)
    await takeSafePath(part, { local: true })
    const [row] = await part<ReadQuery[]>`
      select rtrim(pg_get_viewdef(${name}::regclass), ';') as definition,
             (select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                from pg_catalog.pg_attribute a where a.attrelid = ${name}::regclass and a.attnum > 0) as columns`
    const { definition: query, columns } = row as ReadQuery
    return { definition: readable(query), columns }
  })
