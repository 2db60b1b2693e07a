import type { Sql } from './connect.ts'

/**
 * The search path of our own statements: every name in them means the catalog's object. An empty path is not enough: the
 * server would look in the temporary schema first, where a view's own function could make a type called `text`.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The search path that is set for our login. SQL written by others relies on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`
    select s.reset_val as path from pg_catalog.pg_settings s where s.name = 'search_path'`
  return row?.path ?? ''
}
