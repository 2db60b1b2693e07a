import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { startTestServer, type TestServer } from '../../support/servers/test-server.ts'

/** Starts a standby from a base backup of a server that is at work. The standby streams what the server commits. */
export async function startFromBackup(
  primary: Pick<TestServer, 'url' | 'data'>,
  parameters: Record<string, string>,
): Promise<TestServer> {
  const { hostname, port, username, password } = new URL(primary.url)
  const conninfo = `host=${hostname} port=${port} user=${username} password=${password}`
  const backup = postgres(primary.url, { max: 1, onnotice: () => {} })
  await backup`select pg_backup_start('standby', true)`
  return startTestServer({
    parameters: { ...parameters, primary_conninfo: conninfo },
    async prepare(data, user) {
      await rm(data, { recursive: true })
      // Files that come and go meanwhile fail the copy with 1; what the standby needs of them, it gets from the log.
      await promisify(execFile)('cp', ['-a', primary.data, data]).catch((error) => {
        if (error.code !== 1) throw error
      })
      const [row] = await backup<[{ label: string }]>`select labelfile as label from pg_backup_stop(false)`
      await backup.end()
      await rm(join(data, 'postmaster.pid'), { force: true })
      for (const [name, text] of [
        ['backup_label', row.label],
        ['standby.signal', ''],
      ] as const) {
        await writeFile(join(data, name), text)
        user.own(join(data, name))
      }
    },
  })
}
