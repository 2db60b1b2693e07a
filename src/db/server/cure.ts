import type postgres from 'postgres'
import { executingQuery } from '../../plan/named-rights.ts'
import { Problem } from '../../problem.ts'
import { sqlstateOf } from './failures.ts'

/** A session; not the type of `connect.ts`, which reads cures itself. */
type Sql = postgres.Sql<{ bigint: number }>

/** What a query for missing rights finds, as a sentence with the SQL that gives them; null if the catalog shows none. */
export async function readMissingRights(sql: Sql, query: string): Promise<string | null> {
  const [row] = await sql.unsafe<{ hints: Record<string, string> }[]>(query)
  return row?.hints['42501'] ?? null
}

/**
 * What was missing if the server refused one of our own statements for a missing right (42501); null if nothing was. Our
 * statements write every name with its schema. Never throws: the connection may be broken.
 */
export async function readCure(sql: Sql, error: unknown): Promise<string | null> {
  if (error instanceof Problem || sqlstateOf(error) !== '42501') return null
  const { query } = error as { query?: string }
  if (query === undefined) return null
  return readMissingRights(sql, executingQuery(query, { only: 'qualified' })).catch(() => null)
}

/** The refusal of something that we may not do, with the right that is missing. */
export const lacking = async (sql: Sql, message: string, query: string): Promise<Problem> =>
  new Problem(
    'InsufficientPrivilege',
    [message, await readMissingRights(sql, query)].filter((text) => text !== null).join(' '),
    { sqlstate: '42501' },
  )
