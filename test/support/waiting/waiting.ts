import type { Sql } from '../../../src/server/database.ts'
import { until } from './until.ts'

/**
 * Waits until `application` has waited for a lock, given up, and tried again: then it has seen that it has to
 * wait. If `work` ends meanwhile, the test fails.
 */
export async function untilWaitingAgain(
  sql: Sql,
  application: string,
  work: Promise<unknown>,
): Promise<void> {
  const seen = new Set<string>()
  const again = until(`${application} stands before a lock a second time`, async () => {
    const rows = await sql`
      select query_start::text as since from pg_stat_activity
       where application_name = ${application} and wait_event_type = 'Lock' and datname = current_database()`
    for (const { since } of rows) seen.add(since)
    return seen.size > 1
  })
  const ended = work.then(() => Promise.reject(new Error(`${application} did not wait`)))
  ended.catch(() => {}) // of no interest after the race
  await Promise.race([again, ended])
}
