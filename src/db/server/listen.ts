import { Problem } from '../../problem.ts'
import type { Database, Sql } from './connect.ts'
import { runChannel } from './lock-keys.ts'
import { safePath } from './search-path.ts'

/** The connection that listens. */
export interface Listening {
  /** May be used beside; what comes while it is busy is heard afterwards. */
  sql: Sql
  /** Throws once the connection has broken: nobody would be told any more. */
  insistOnHearing(): void
}

/** Calls `onEnd` whenever a run has ended, whoever had asked for it, and when nothing is heard any more, while `work` goes on. */
export async function whileListening<T>(
  database: Database,
  onEnd: () => void,
  work: (listening: Listening) => Promise<T>,
): Promise<T> {
  const { sql, leave, broken } = await database.open({ application_name: 'viewkeeper listening' }, onEnd)
  let hears = true
  void broken.then(() => {
    hears = false
    onEnd()
  })
  const insistOnHearing = () => {
    if (!hears)
      throw new Problem('DatabaseUnavailable', 'The connection that hears of the ends of runs broke.')
  }
  try {
    await sql
      .unsafe(`select pg_catalog.set_config('search_path', '${safePath}', false); listen ${runChannel}`)
      .simple()
    return await work({ sql, insistOnHearing })
  } finally {
    await leave()
  }
}
