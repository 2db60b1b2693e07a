import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { connectTo, type Database, type Sql } from '../../src/db/server/connect.ts'
import { fromUrl } from '../../src/edge/lambda/database-url.ts'
import { migrate } from '../../src/operations/schema/apply.ts'

/** A server to measure on. */
export interface BenchServer {
  url: string
  version: string
  database: Database
  /** One connection, open all the time, without limits. */
  sql: Sql
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
export async function withServer<T>(work: (server: BenchServer) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const { url, version, stop } = await startEmbeddedPostgres({ folder, parameters })
    const interrupted = () =>
      void stop().then(() => {
        remove()
        process.exit(130)
      })
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
    try {
      const database = connectTo(fromUrl(url))
      await migrate(database, new URL('../../schema/', import.meta.url))
      const { sql, leave } = await database.open({ statement_timeout: '0', lock_timeout: '0' })
      try {
        return await work({ url, version, database, sql })
      } finally {
        await leave()
      }
    } finally {
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
      await stop()
    }
  } finally {
    remove()
  }
}
