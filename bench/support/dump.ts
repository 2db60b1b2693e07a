import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Sql } from '../../src/server/connect.ts'
import { installed } from '../../test/support/servers/test-server.ts'
import { until } from '../../test/support/waiting/until.ts'

const pgDump = installed === undefined ? '' : join(dirname(installed.postgres), 'pg_dump')

/** Whether there is a `pg_dump`. The servers of npm have none; the folder that POSTGRES names does. */
export const hasDump = existsSync(pgDump)

/** Dumps a database, and says how that ended. */
export const dump = (url: string): Promise<string> =>
  promisify(execFile)(pgDump, ['-f', '/dev/null', url]).then(
    () => 'the dump succeeds',
    ({ stderr }) => `the dump fails: ${stderr}`,
  )

/** Waits until a session whose name matches waits for such an event. */
export const untilWaiting = (sql: Sql, name: string, event: string): Promise<string> =>
  until(`${name} waits`, async () => {
    const [row] = await sql`
      select from pg_stat_activity where application_name ~ ${name} and ${event} in (wait_event_type, wait_event)`
    return row && 'waits'
  })
