import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { defaults } from '../../src/config/options.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { type Code, ownCode } from './code.ts'

/** A server to measure on. */
export interface BenchServer {
  url: string
  version: string
  database: Database
  /** One connection, open all the time, without limits. */
  sql: Sql
  /** Whose code is measured; undefined: this checkout's. */
  code?: Code
}

/**
 * The usual parameters for a server of this size, except that nothing happens by itself during a measurement:
 * checkpoints are requested in between, and no autovacuum slows down one arm and not the other.
 */
const parameters = {
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  maintenance_work_mem: '256MB',
  work_mem: '32MB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
}

/**
 * Starts an embedded server in a temporary folder, migrated, while `work` runs. Even Ctrl-C leaves nothing.
 */
export async function withServer<T>(
  work: (server: BenchServer) => Promise<T>,
  given: Pick<Parameters<typeof startEmbeddedPostgres>[0], 'version' | 'binaries' | 'parameters'> = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const { url, version, stop } = await startEmbeddedPostgres({
      folder,
      ...given,
      parameters: { ...parameters, ...given.parameters },
    })
    const interrupted = () =>
      void stop().then(() => {
        remove()
        process.exit(130)
      })
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
    try {
      return await withDatabase({ url, version }, ownCode, work)
    } finally {
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
      await stop()
    }
  } finally {
    remove()
  }
}

/** Works on a database that has the schema of `code`. */
async function withDatabase<T>(
  at: { url: string; version: string },
  code: Code,
  work: (server: BenchServer) => Promise<T>,
): Promise<T> {
  const database = code.connectTo(code.fromUrl(at.url), { regularUpToMs: defaults.regularUpToMs })
  await code.migrate(database, code.schema)
  const { sql, leave } = await database.open({ statement_timeout: '0', lock_timeout: '0' })
  try {
    return await work({ ...at, database, sql, code })
  } finally {
    await leave()
  }
}

/** Works on a database of its own on the same server, with the schema of `code`. */
export async function withOtherDatabase<T>(
  { url, version, sql }: BenchServer,
  code: Code,
  work: (server: BenchServer) => Promise<T>,
): Promise<T> {
  await sql`create database other`
  return withDatabase({ url: Object.assign(new URL(url), { pathname: '/other' }).href, version }, code, work)
}
