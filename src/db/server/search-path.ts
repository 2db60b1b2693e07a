import type { Sql } from './connect.ts'

/**
 * The search path of our own statements: every name in them is the catalog's. An empty path would not do: it stands for
 * the temporary schema first, and a temporary type called `text`, made by a view's own function, would be taken for ours.
 */
export const safePath = 'pg_catalog, pg_temp'

/** The search path of our role, which its owner has set: what somebody wrote counts on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`
    select s.reset_val as path from pg_catalog.pg_settings s where s.name = 'search_path'`
  return row?.path ?? ''
}
