import { rolePathSetting, safePath } from '../sql/settings.ts'
import type { Sql } from './connect.ts'

/** The search path that is set for our login. SQL written by others relies on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`select current_setting(${rolePathSetting}) as path`
  return row?.path as string
}

/** Lets the next statements, which others wrote, find names along the search path of our login. */
export const takeRolePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql`select set_config('search_path', current_setting(${rolePathSetting}), ${local})`

/** Ends `takeRolePath`. The statement has nothing that is looked up on a path. */
export const takeSafePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql.unsafe(`set ${local ? 'local ' : ''}search_path to ${safePath}`)

/**
 * Selects the schemas on the search path of our login that exist, and the one in which a new relation would be made. The server
 * parses the whole statement under the safe path, and then computes the columns one after the other.
 */
export const roleSchemas = (sql: Sql) => sql`
  select set_config('search_path', current_setting(${rolePathSetting}), false), to_json(current_schemas(true)) as schemas,
         current_schema()::text as creation, set_config('search_path', ${safePath}, false) as safe`

/** The schemas on the search path of our login that exist. */
export async function readRoleSchemas(sql: Sql): Promise<string[]> {
  const [row] = await sql<[{ schemas: string[] }]>`${roleSchemas(sql)}`
  return row.schemas
}
