import type { Sql } from '../../../src/server/database.ts'
import { until } from '../waiting/until.ts'

/** Does `work` while a session that executes something is on record as the one of these runs, a condition on `r`. */
export async function whileWorkedOn<T>(
  sql: Sql,
  runs: string,
  work: (pid: number) => Promise<T>,
): Promise<T> {
  const session = await sql.reserve()
  try {
    const [row] = await session.unsafe<[{ pid: number }]>(`
      with worker as (select pid, backend_start from pg_stat_get_activity(pg_backend_pid())),
      taken as (update viewkeeper.runs r set backend_pid = worker.pid, backend_start = worker.backend_start from worker where ${runs})
      select pid from worker`)
    const busy = session`select pg_sleep(600)`.catch(() => {})
    try {
      await until('the session executes something', async () => {
        const [now] =
          await sql`select from pg_stat_activity where pid = ${row.pid} and wait_event = 'PgSleep'`
        return now !== undefined
      })
      return await work(row.pid)
    } finally {
      await sql`select pg_cancel_backend(${row.pid})`
      await busy
    }
  } finally {
    session.release()
  }
}
