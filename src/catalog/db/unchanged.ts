import type { Sql } from '../../server/connect.ts'
import { takeLoginSettings, takeOwnSettings } from '../../sql/settings.ts'
import type { Unchanged } from '../plan/run.ts'

/** Proves that a refresh of the view would change nothing; undefined if that cannot be proved. */
export async function findUnchanged(sql: Sql, definitionId: number): Promise<Unchanged | undefined> {
  // The settings under which the query would be executed are part of the proof.
  const [, found] = (await sql
    .unsafe(
      `${takeLoginSettings()}; select viewkeeper.unchanged(${definitionId}) as unchanged; ${takeOwnSettings}`,
    )
    .simple()) as unknown as [unknown, [{ unchanged: Unchanged | null }]]
  return found[0].unchanged ?? undefined
}
