import type { Database, Sql } from '../server/connect.ts'

/** The longest time: filling big views may take hours. */
const longestMs = 86_400_000

/** Later locks are waited for briefly, because readers of the views wait meanwhile. */
const lockTimeoutMs = 10_000

/** Works on a connection whose statements may take hours. */
export const longSession = <T>(
  database: Database,
  name: string,
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  database.withConnection(work, {
    startUp: { application_name: name, statement_timeout: '0', lock_timeout: String(lockTimeoutMs) },
    deadline: Date.now() + longestMs,
  })
