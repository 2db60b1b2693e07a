import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql } from '../../../src/server/database.ts'
import { until } from '../waiting/until.ts'
import { administrator } from './database.ts'
import { startTestServer, type TestServer } from './test-server.ts'

/** A server that streams from a primary. */
export interface Standby extends TestServer {
  /** A connection of a superuser. */
  sql: Sql
  /** Waits until the standby has what the primary has now. */
  caughtUp(): Promise<void>
}

/**
 * Starts a standby of `primary`, which has to be fresh from `startTestServer`: both begin as copies of the same data, so one
 * can follow the other. `name` is what the primary calls it.
 */
export async function startStandby(
  primary: Pick<TestServer, 'url'>,
  { name = 'walreceiver', parameters = {} }: { name?: string; parameters?: Record<string, string> } = {},
): Promise<Standby> {
  const { hostname, port, username, password } = new URL(primary.url)
  const conninfo = `host=${hostname} port=${port} user=${username} password=${password} application_name=${name}`
  const server = await startTestServer({
    parameters: { primary_conninfo: conninfo, ...parameters },
    async prepare(data, user) {
      const signal = join(data, 'standby.signal')
      await writeFile(signal, '')
      user.own(signal)
    },
  })
  const there = administrator(primary.url)
  const sql = administrator(server.url)
  return {
    ...server,
    sql,
    async caughtUp() {
      const [row] = await there<{ at: string }[]>`select pg_current_wal_lsn()::text as at`
      await until('the standby has caught up', async () => {
        const [is] = await sql`select pg_last_wal_replay_lsn() >= ${row?.at ?? ''}::pg_lsn as done`
        return is?.done
      })
    },
    async stop() {
      await Promise.all([there.end({ timeout: 1 }), sql.end({ timeout: 1 })])
      await server.stop()
    },
  }
}
