import type { Sql } from '../server/connect.ts'
import { reservedKeys, runLockClass } from '../server/lock-keys.ts'

/** Waits until no other session plans what is due; none does until this one ends. */
export async function takeTurnToPlan(sql: Sql): Promise<void> {
  await sql`select pg_advisory_lock(${runLockClass}, ${reservedKeys.planDue})`
}
