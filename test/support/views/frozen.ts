import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll } from 'vitest'
import type { Database } from '../../../src/db/server/connect.ts'
import { readFrozenMigrations } from '../../../src/files/frozen-migrations.ts'
import type { MigrateCall } from '../../../src/operations/migrations/migrate.ts'
import { type Verified, verifyFrozen } from '../../../src/operations/migrations/verify.ts'
import { planFreeze } from '../../../src/plan/migrations/freeze.ts'
import { type FrozenMigration, renderFrozen } from '../../../src/plan/migrations/frozen.ts'
import type { NewMigration } from '../../../src/plan/migrations/new-migration.ts'
import { numbered } from '../../../src/plan/migrations/order.ts'
import { type Definition, definitionDefaults } from '../../../src/plan/views/definition.ts'

/** A definition in which only what matters to a test is said. */
export const definition = (name: string, sql: string, more: Partial<Definition> = {}): Definition => ({
  ...definitionDefaults,
  indexes: [],
  grants: [],
  settings: {},
  dependsOn: [],
  name,
  sql,
  ...more,
})

export const migrateCall = (database: Database, more: Partial<MigrateCall> = {}): MigrateCall => ({
  database,
  trigger: 'cli',
  requestedBy: 'test',
  waitUntil: Date.now() + 30_000,
  withData: true,
  ...more,
})

/** Folders of frozen migrations that end with the test file. */
export function useFolders() {
  let root: string | undefined
  afterAll(async () => {
    if (root !== undefined) await rm(root, { recursive: true })
  })
  return async (name: string): Promise<FrozenFolder> => {
    root ??= await mkdtemp(join(tmpdir(), 'viewkeeper-frozen-'))
    const path = join(root, name)
    await mkdir(path, { recursive: true })
    return new FrozenFolder(path)
  }
}

/** A folder to freeze into, as the command line does it, but without a database. */
export class FrozenFolder {
  readonly path: string
  readonly url: URL
  constructor(path: string) {
    this.path = path
    this.url = pathToFileURL(`${path}/`)
  }
  read = (): Promise<FrozenMigration[]> => readFrozenMigrations(this.url)

  write = (file: string, text: string): Promise<void> => writeFile(join(this.path, file), text)

  async freeze(
    authored: Definition[],
    more: Partial<Parameters<typeof planFreeze>[0]> = {},
  ): Promise<NewMigration[]> {
    const migrations = await this.read()
    const fresh = planFreeze({
      authored,
      migrations,
      why: 'a test',
      only: null,
      renames: [],
      removes: [],
      canonical: (sql) => sql,
      ...more,
    })
    for (const [at, { words, up, down }] of fresh.entries()) {
      const name = `${numbered((migrations.at(-1)?.number ?? 0) + at + 1)}_${words}`
      await this.write(`${name}.up.sql`, renderFrozen(up))
      await this.write(`${name}.down.sql`, renderFrozen(down))
    }
    return fresh
  }

  /** Freezes as the command line does it on a database: tries the migrations, and writes the ways back that work there. */
  async freezeOn(
    database: Database,
    authored: Definition[],
    more: Partial<Parameters<typeof planFreeze>[0]> = {},
  ): Promise<Verified[]> {
    const known = (await this.read()).length
    await this.freeze(authored, more)
    const migrations = await this.read()
    const verified = await verifyFrozen(database, migrations.slice(0, known), migrations.slice(known))
    for (const { name, wayBack } of verified)
      await this.write(`${name}.down.sql`, renderFrozen({ change: wayBack.change, why: 'a test' }))
    return verified
  }
}
