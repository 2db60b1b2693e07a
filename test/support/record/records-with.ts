import type { Sql } from '../../../src/server/database.ts'

/** The rows of every table of schema `viewkeeper` that have a text, as `table: row`. */
export async function recordsWith(sql: Sql, text: string): Promise<string[]> {
  const tables = await sql`
    select relname as name from pg_class where relnamespace = 'viewkeeper'::regnamespace and relkind in ('r', 'p')`
  const found = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql.unsafe(
        `select t::text as row from viewkeeper."${name}" t where lower(t::text) like '%' || lower($1) || '%'`,
        [text],
      )
      return rows.map(({ row }) => `${name}: ${row}`)
    }),
  )
  return found.flat()
}
