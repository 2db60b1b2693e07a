import { type Sql, withSavepoint } from './connect.ts'
import { sqlstateOf } from './failures.ts'
import { sendAhead } from './send-ahead.ts'

const before = 'viewkeeper.lock_timeout'
const shorten = `select set_config('${before}', current_setting('lock_timeout'), false), set_config('lock_timeout', '100', false)`
const restore = `select set_config('lock_timeout', current_setting('${before}'), false)`

/**
 * Executes a query that may have to wait for a lock; null if it would wait longer than 100 ms. A transaction around the
 * query goes on, so the query has to be sent by the `Sql` that `query` is given.
 */
export async function unlessLocked<T>(sql: Sql, query: (sql: Sql) => Promise<T>): Promise<T | null> {
  sendAhead(sql, shorten)
  try {
    return await ('savepoint' in sql ? withSavepoint(sql, query) : query(sql))
  } catch (error) {
    if (sqlstateOf(error) === '55P03') return null
    throw error
  } finally {
    sendAhead(sql, restore)
  }
}
