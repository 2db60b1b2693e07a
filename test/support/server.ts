import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** A real server for the database tests: the newest, or the major that POSTGRES names. */
export default async function startServer(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-test-'))
  const server = await startEmbeddedPostgres({
    folder,
    version: Number(process.env.POSTGRES ?? 18) as 18,
    parameters: {
      fsync: 'off',
      max_connections: '200',
      deadlock_timeout: '200ms',
      track_functions: 'none',
      max_prepared_transactions: '2',
    },
  })
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true })
  }
}
