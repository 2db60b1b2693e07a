import type { Sql } from '../../server/connect.ts'
import type { Unchanged } from '../plan/run.ts'

/** Proves that a refresh of the view would change nothing; undefined if that cannot be proved. */
export async function findUnchanged(sql: Sql, definitionId: number): Promise<Unchanged | undefined> {
  const [row] = await sql<[{ unchanged: Unchanged | null }]>`
    select viewkeeper.unchanged(${definitionId}) as unchanged`
  return row.unchanged ?? undefined
}
