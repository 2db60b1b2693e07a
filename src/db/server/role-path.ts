import type { Sql } from './connect.ts'

/** The search path that is set for our login. SQL written by others relies on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`
    select s.reset_val as path from pg_catalog.pg_settings s where s.name = 'search_path'`
  return row?.path ?? ''
}
