import { randomUUID } from 'node:crypto'
import { relative } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, expect, inject } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import type { Call } from '../../../src/run/call.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database, Sql } from '../../../src/server/database.ts'
import { explain } from '../evidence/database.ts'
import { keepEvidence } from '../evidence/evidence.ts'
import { muchLater } from '../waiting/until.ts'
import { ofTestsThemselves, setRandomly, settingsSeed } from './settings.ts'

export const schemaFolder = new URL('../../../schema/', import.meta.url)

/** The database that has all schema steps and nothing else. */
export const templateDatabase = 'viewkeeper_template'

/** A database for one test file, migrated, and an administrator's connections to it. */
export interface TestDatabase {
  url: string
  database: Database
  /** Up to 20 connections, as superuser. */
  sql: Sql
  /** The same database, as another role. */
  as(user: string, password?: string): { url: string; database: Database }
}

/** Connects as superuser, with as many connections as a test needs at once. */
export const administrator = (url: string): Sql =>
  postgres(url, {
    max: 20,
    onnotice: () => {},
    connection: ofTestsThemselves,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  }) as Sql

/**
 * Connections of readers that must never see an error. The server looks for deadlocks after a second, as it usually does: our
 * server looks after 200 ms, and an exchange that gives up after 100 ms may be that late on a busy machine.
 */
export const readersOf = (url: string): Sql => administrator(`${url}?deadlock_timeout=1s`)

/** Makes a database for this test file, and drops the database afterwards. */
export function useDatabase({
  migrated = true,
  encoding,
}: {
  migrated?: boolean
  encoding?: string
} = {}): TestDatabase {
  const name = `t_${randomUUID().replaceAll('-', '')}`
  const url = new URL(inject('postgresUrl'))
  const admin = administrator(url.href)
  url.pathname = `/${name}`
  const sql = administrator(url.href)
  const as = (user: string, password = 'secret') => {
    const other = new URL(url)
    other.username = user
    other.password = password
    return { url: other.href, database: connectTo(fromUrl(other.href)) }
  }
  const database = connectTo(fromUrl(url.href))
  let settings: string[] = []
  beforeAll(async () => {
    // A template has one encoding, so a database in another one gets its schema steps by itself.
    const other = `template template0 encoding '${encoding}' locale_provider libc locale 'C'`
    const migratedTemplate = migrated ? `template ${templateDatabase}` : ''
    await admin.unsafe(`create database ${name} ${encoding === undefined ? migratedTemplate : other}`)
    if (migrated && encoding !== undefined) await migrate(database, schemaFolder)
    if (settingsSeed !== undefined)
      settings = await setRandomly(sql, name, relative(process.cwd(), expect.getState().testPath ?? ''))
  })
  let failedIn: string | undefined
  beforeEach(({ task, onTestFailed }) => {
    onTestFailed(async () => {
      failedIn = task.file.filepath
      await explain(task, url.href)
    })
  })
  afterAll(async () => {
    await sql.end({ timeout: 1 })
    if (failedIn === undefined) await admin.unsafe(`drop database ${name} with (force)`)
    else {
      keepEvidence({ file: failedIn, text: `${keptDatabase} ${name}: npm run test:evidence` })
      if (settings.length > 0)
        keepEvidence({ file: failedIn, text: `SETTINGS_SEED=${settingsSeed}: ${settings.join('; ')}` })
    }
    await admin.end()
  })
  return { url: url.href, database, sql, as }
}

/** How the evidence of a database begins. */
export const keptDatabase = 'Its database was kept as'

/** A call that waits longer than anything in a test takes. */
export const callOn = (database: Database, call: Partial<Call> = {}): Call => ({
  database,
  trigger: 'http',
  requestedBy: 'test',
  caller: call.requestedBy ?? 'test',
  idempotencyKey: null,
  waitUntil: muchLater(),
  ...call,
})
