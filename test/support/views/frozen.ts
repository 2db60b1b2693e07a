import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll } from 'vitest'
import { type Definition, definitionDefaults } from '../../../src/catalog/plan/definition.ts'
import type { MigrateCall } from '../../../src/migrate/apply-migrations.ts'
import { freeze } from '../../../src/migrate/authoring/freeze.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { type NewMigration, planFreeze } from '../../../src/migrate/plan/freeze.ts'
import { type FrozenMigration, renderFrozen } from '../../../src/migrate/plan/frozen.ts'
import { numbered } from '../../../src/migrate/plan/journal.ts'
import { forTrials, tryFrozen, type Verified } from '../../../src/migrate/try-frozen.ts'
import type { Database } from '../../../src/server/database.ts'
import { muchLater } from '../waiting/until.ts'

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

/** Tries migrations as a freeze does. */
export const verifyFrozen = (
  database: Database,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<Verified[]> => forTrials(database, (sql) => tryFrozen(sql, frozen, fresh))

/** A definition in which no field has its default, as an author may write it, but for the target lag beside a schedule. */
export const everyField: Definition = {
  schema: 'app',
  name: 'Every_Field',
  sql: 'select 1 as id, 2 as n',
  indexes: [
    { name: 'every_key', unique: true, on: '(id)' },
    { name: 'every_n', unique: false, on: '(n) where n > 0' },
  ],
  comment: "it's \\ odd",
  grants: [{ privileges: ['select'], columns: ['id'], to: 'reporting', grantOption: true }],
  owner: 'App Owner',
  strategy: 'swap',
  schedule: '*/5 6-18/2 * JAN,mar-Dec 1-5,7',
  timeZone: 'Asia/Kolkata',
  targetLagSeconds: 900,
  suspendAfterFailures: 0,
  settings: { work_mem: '64MB', jit: 'off' },
  timeoutSeconds: 86_400,
  retries: 0,
  retryDelaySeconds: 0,
  maxStalenessSeconds: 1,
  minIntervalSeconds: 2_147_483_647,
  inAll: false,
  skipUnchanged: true,
  dependsOn: ['public.other', '"Odd".name'],
  checks: {
    notEmpty: true,
    notNull: ['id'],
    unique: [['id', 'n']],
    accepted: { n: ['2', 1] },
    references: { id: 'pg_catalog.pg_namespace (oid)' },
    rows: { atLeast: 1, changeAtMost: '50%' },
    "it's \\ odd": 'select from "Every_Field"',
    severity: { "it's \\ odd": 'warn', 'references(id)': 'warn' },
  },
  slices: { by: 'id', wholeEvery: '2 weeks' },
  storage: 'materialized view',
}

/** A row of `viewkeeper.definitions` with each column under the name of its field. */
export const inFields = (row: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      { schema_name: 'schema', refresh_strategy: 'strategy' }[column] ??
        column.replaceAll(/_(.)/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  )

export const migrateCall = (database: Database, more: Partial<MigrateCall> = {}): MigrateCall => ({
  database,
  trigger: 'cli',
  requestedBy: 'test',
  waitUntil: muchLater(),
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

export type Freezing = Partial<Parameters<typeof freeze>[0]>

/** Freezes as the command does, with a database, and returns the names of the new files. */
export async function frozenInto(
  database: Database,
  into: FrozenFolder,
  authored: Definition[],
  more: Freezing = {},
): Promise<string[] | undefined> {
  const call = {
    located: authored.map((each) => ({ definition: each, file: 'v.ts', line: 1, hasKey: true })),
    frozen: await into.read(),
    folders: { views: 'views', migrations: 'migrations' },
    why: 'a test',
    only: null,
    renames: [],
    removes: [],
    ...more,
  }
  const planned = await freeze(call, () => database)
  for (const { up, down } of planned?.migrations ?? [])
    for (const each of [up, down]) if (each !== null) await into.write(each.file, each.text)
  return planned?.migrations.map(({ name }) => name)
}
