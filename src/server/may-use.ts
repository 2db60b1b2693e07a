import type { Sql } from './connect.ts'

/**
 * Whether the session has a privilege on a table of schema `viewkeeper`. It has none if the schema is not there, or is older
 * than the table or its `column`.
 */
export async function mayUse(
  sql: Sql,
  privilege: 'select' | 'insert',
  table: string,
  column = 'tableoid', // which every table has
): Promise<boolean> {
  const rows = await sql`
    select from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relname = ${table} and a.attname = ${column}
       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, ${privilege})`
  return rows.length > 0
}
