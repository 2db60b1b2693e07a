import { afterAll } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { administrator, schemaFolder } from './database.ts'
import { startTestServer, type TestServer } from './test-server.ts'

/** A server of a test file's own, for what concerns all databases of a server. */
interface OwnServer {
  server: TestServer
  /** Its first database, with all schema steps. */
  database: Database
  /** The same, as superuser. */
  sql: Sql
}

/** Starts a server that ends with the test file. */
export async function startOwnServer(parameters: Record<string, string> = {}): Promise<OwnServer> {
  const server = await startTestServer({ parameters })
  const sql = administrator(server.url)
  afterAll(async () => {
    await sql.end({ timeout: 1 })
    await server.stop()
  })
  const database = connectTo(fromUrl(server.url))
  await migrate(database, schemaFolder)
  return { server, database, sql }
}
