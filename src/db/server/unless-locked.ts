import type { Sql } from './connect.ts'
import { sqlstateOf } from './failures.ts'

/** Asks what may have to wait for a lock, with the least of patience; null where it would have to wait. */
export async function unlessLocked<T>(sql: Sql, ask: () => Promise<T>): Promise<T | null> {
  const [before] = await sql<{ is: string }[]>`
    select current_setting('lock_timeout') as is, set_config('lock_timeout', '100', false)`
  try {
    return await ask()
  } catch (error) {
    if (sqlstateOf(error) === '55P03') return null
    throw error
  } finally {
    await sql`select set_config('lock_timeout', ${before?.is ?? '0'}, false)`
  }
}
