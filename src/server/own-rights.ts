import type postgres from 'postgres'
import { type Holders, holdersOf, lackedBy } from '../sql/holders.ts'
import { Problem, sentences } from '../words/problem.ts'
import type { Sql } from './database.ts'
import { sqlstateOf } from './failures.ts'

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

/** The rights that a query for hints finds missing, with the SQL that gives them on lines of its own; null if it finds none. */
export async function readMissingRights(sql: Sql, hintsQuery: string): Promise<string | null> {
  const [row] = await sql.unsafe<{ hints: Record<string, string> }[]>(hintsQuery)
  return row?.hints['42501'] ?? null
}

/** Who lacks a right for which the server has refused something. `role` is written as in SQL; null: the login. */
export async function readWhoLacks(sql: Sql, role: string | null, error: unknown): Promise<string | null> {
  const { message, where = '', internal_query: query = '' } = error as postgres.PostgresError
  // A failure alone loads it.
  const { readViewOwner } = await import('./view-owner.ts')
  const [row] = await sql.unsafe<{ who: string }[]>(
    `select ${lackedBy((await readViewOwner(sql, role, message)) ?? role, `${query} ${where}`)} as who`,
  )
  return row?.who ?? null
}

/**
 * Whose right was missing if the server refused one of our own statements (42501), and who holds exclusive locks if it did not
 * get a lock (55P03): its message names neither. Null if nobody knows. Never throws: the connection may be broken.
 */
export async function readFix(sql: Sql, error: unknown): Promise<string | null> {
  if (error instanceof Problem) return null
  if (sqlstateOf(error) === '55P03') return readHolders(sql).catch(() => null)
  if (sqlstateOf(error) === '42501') return readWhoLacks(sql, null, error).catch(() => null)
  return null
}

/** Who holds exclusive locks on anything in the database, and what to do. */
async function readHolders(sql: Sql): Promise<string | null> {
  const [row] = await sql.unsafe<{ holders: Holders }[]>(
    `select h as holders from (${holdersOf('null', 'AccessShareLock')}) as x(h)`,
  )
  return row === undefined ? null : `Now ${row.holders.who}. ${row.holders.advice}`
}

/** The refusal of something that we may not do, with the right that is missing. */
export const lacking = async (sql: Sql, message: string, hintsQuery: string): Promise<Problem> =>
  new Problem('InsufficientPrivilege', sentences(message, await readMissingRights(sql, hintsQuery)), {
    sqlstate: '42501',
  })
