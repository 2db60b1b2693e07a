import type { Sql } from '../../../src/server/database.ts'
import { updateRows } from '../record/rows.ts'
import { until } from '../waiting/until.ts'

/** Does `work` while a session that executes something is on record as the one of these runs, a condition on `r`. */
export async function whileWorkedOn<T>(
  sql: Sql,
  runs: string,
  work: (pid: number) => Promise<T>,
): Promise<T> {
  const session = await sql.reserve()
  try {
    const [row] = await session<[{ pid: number }]>`select pg_backend_pid() as pid`
    const id = (await sql.unsafe(`select id from viewkeeper.runs r where ${runs}`)).map((run) => run.id)
    const backendStart = sql`(select backend_start from pg_stat_get_activity(${row.pid}))`
    await updateRows(sql, 'runs', { id }, { backendPid: row.pid, backendStart })
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
