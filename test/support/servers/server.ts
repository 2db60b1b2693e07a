import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { evidenceFolder, readEvidence } from '../evidence/evidence.ts'
import { administrator, keptDatabase, schemaFolder, templateDatabase } from './database.ts'
import { startTestServer } from './test-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
    /** The file with what the server logs. */
    postgresLog: string
  }
}

/** The server that test files share, with a database that has all schema steps: each file's database is a copy of that. */
export default async function startServer(project: TestProject) {
  const server = await startTestServer({
    parameters: {
      max_connections: '300',
      deadlock_timeout: '200ms',
      track_functions: 'none',
      max_prepared_transactions: '2',
      log_line_prefix: '%m %d %a [%p] ',
    },
  })
  const admin = administrator(server.url)
  await admin.unsafe(`create database ${templateDatabase}`)
  const template = new URL(server.url)
  template.pathname = templateDatabase
  await migrate(connectTo(fromUrl(template.href)), schemaFolder)
  await admin.end()
  project.provide('postgresUrl', server.url)
  project.provide('postgresLog', `${server.data}.log`)
  return async () => {
    if (readEvidence().some(({ text }) => text.includes(keptDatabase)))
      await server.stopAndKeep(join(evidenceFolder, 'server'))
    else await server.stop()
  }
}
