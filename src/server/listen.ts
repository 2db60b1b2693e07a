import { Problem } from '../problem.ts'
import type { Database, Sql } from './connect.ts'
import { runChannel } from './lock-keys.ts'

/** The connection that listens. */
export interface Listening {
  /** May also execute queries. Notifications that come during a query are received after it. */
  sql: Sql
  /** Throws if the connection has broken, because no notification would come any more. */
  insistOnHearing(): void
}

/** During `work`, calls `onEnd` whenever any run ends, and when the connection breaks. */
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
      throw new Problem(
        'DatabaseUnavailable',
        'The connection that listens for the ends of runs broke. Try again.',
      )
  }
  try {
    await sql.unsafe(`listen ${runChannel}`).simple()
    return await work({ sql, insistOnHearing })
  } finally {
    await leave()
  }
}
