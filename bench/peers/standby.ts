import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { findServerUser } from '../../local/embedded/server-user.ts'
import type { BenchServer } from '../support/server.ts'
import { execute, type Tools } from './install.ts'

/** Runs a standby of the server while `work` runs, and passes its URL. */
export async function withStandby<T>(
  { url }: BenchServer,
  debian: NonNullable<Tools['debian']>,
  parameters: Record<string, string>,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-standby-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // also after Ctrl-C
  try {
    const data = join(folder, 'postgres-15')
    mkdirSync(data, { mode: 0o700 })
    const user = findServerUser([data, debian.postgres])
    user.own(data)
    const { file, args, as } = user.command(
      debian.basebackup,
      '-D',
      data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '-d',
      url,
    )
    await execute(file, args, { ...as, cwd: '/' })
    // A read waits for the replay of a lock; without this, the replay would cancel reads after 30 s.
    const standby = { ...parameters, max_standby_streaming_delay: '-1' }
    const { port, stop } = await startEmbeddedPostgres({
      folder,
      version: 15,
      binaries: debian,
      parameters: standby,
    })
    try {
      return await work(Object.assign(new URL(url), { port }).href)
    } finally {
      await stop()
    }
  } finally {
    process.off('exit', remove)
    remove()
  }
}
