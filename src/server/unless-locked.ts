import { type Sql, withSavepoint } from './connect.ts'
import { sqlstateOf } from './failures.ts'

/**
 * Executes a query that may have to wait for a lock; null if it would wait longer than 100 ms. A transaction around the
 * query goes on, so the query has to be sent by the `Sql` that `query` is given.
 */
export async function unlessLocked<T>(sql: Sql, query: (sql: Sql) => Promise<T>): Promise<T | null> {
  const [before] = await sql<{ is: string }[]>`
    select current_setting('lock_timeout') as is, set_config('lock_timeout', '100', false)`
  try {
    return await ('savepoint' in sql ? withSavepoint(sql, query) : query(sql))
  } catch (error) {
    if (sqlstateOf(error) === '55P03') return null
    throw error
  } finally {
    await sql`select set_config('lock_timeout', ${before?.is ?? '0'}, false)`
  }
}
