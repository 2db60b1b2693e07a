import type { Database, Sql } from './connect.ts'
import { runChannel } from './envelope-text.ts'
import { safePath } from './search-path.ts'

/**
 * Calls `onEnd` whenever a run has ended, whoever had asked for it, while `work` goes on. The connection that listens
 * may be used beside; what comes while it is busy is heard afterwards.
 */
export async function whileListening<T>(
  database: Database,
  onEnd: () => void,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { sql, leave } = await database.open({ application_name: 'viewkeeper listening' }, onEnd)
  try {
    await sql
      .unsafe(`select pg_catalog.set_config('search_path', '${safePath}', false); listen ${runChannel}`)
      .simple()
    return await work(sql)
  } finally {
    await leave()
  }
}
