import { afterAll, beforeAll, onTestFinished } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { administrator } from '../../support/servers/database.ts'
import { startTestServer, type TestServer } from '../../support/servers/test-server.ts'
import { Project } from '../support/project.ts'

interface Started {
  project: Project
  /** A superuser's connection to the project's database, which has a table `orders` of 30 rows. */
  sql: Sql
  url: string
}

/** Starts a server for this test file. Each call of the result makes a project with a database of its own. */
export function useProjects(): () => Promise<Started> {
  let server: TestServer
  let databases = 0
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.stop())
  return async () => {
    const admin = administrator(server.url)
    await admin.unsafe(`create database of_${++databases}`)
    await admin.end()
    const url = server.url.replace(/[^/]*$/, `of_${databases}`)
    const sql = administrator(url)
    onTestFinished(() => sql.end({ timeout: 1 }))
    await sql`create table orders as select i as id, i % 3 as shop, i * 10 as total from generate_series(1, 30) i`
    return { project: new Project(url), sql, url }
  }
}

export const freeze = (...more: string[]): string[] => ['freeze', '-m', 'a test', ...more]
