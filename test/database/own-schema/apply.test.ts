import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate, readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewkeeper-schema-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A copy of our own steps with more behind them. */
async function stepsWith(name: string, extra: Record<string, string>): Promise<URL> {
  const copy = join(folder, name)
  await cp(schemaFolder, copy, { recursive: true })
  for (const [file, sql] of Object.entries(extra)) await writeFile(join(copy, file), sql)
  return pathToFileURL(`${copy}/`)
}

const ours = await readSchemaSteps(schemaFolder)
const [next, after] = [1, 2].map((more) => String(ours.length + more).padStart(3, '0'))

describe('migrating', () => {
  const { database, sql } = useDatabase({ migrated: false })

  test('twenty at once apply each step once', async () => {
    const steps = await stepsWith('twenty', {
      [`${next}_counted.sql`]: 'create table viewkeeper.counted (id integer)',
    })
    const reports = await Promise.all(Array.from({ length: 20 }, () => migrate(database, steps)))
    const applied = reports.flatMap((report) => report.applied)
    expect(applied.sort()).toEqual([...ours.map(({ name }) => name), `${next}_counted`])
    expect(await sql`select number from viewkeeper.schema_steps`).toHaveLength(ours.length + 1)
  })

  test('again changes nothing', async () => {
    const steps = await stepsWith('again', {
      [`${next}_counted.sql`]: 'create table viewkeeper.counted (id integer)',
    })
    expect(await migrate(database, steps)).toEqual({ applied: [], ahead: [] })
  })

  /** PostgreSQL 15.20 and 17.12 refuse to add a column with a default to a table whose row type a function uses. */
  test('leaves no function that uses the row type of a table', async () => {
    expect(
      await sql`
        select d.objid::regprocedure::text from pg_depend d join pg_type t on t.oid = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_type'::regclass
           and t.typrelid <> 0 and t.typnamespace = 'viewkeeper'::regnamespace`,
    ).toEqual([])
  })

  test('by the version before is a success on the newer schema, on which it keeps working', async () => {
    expect(await migrate(database, schemaFolder)).toEqual({ applied: [], ahead: [`${next}_counted`] })
    await sql`create materialized view served as select 1 as id`
    expect(await refresh({ view: 'served' }, callOn(database))).toMatchObject({ status: 'updated' })
  })

  test('refuses an edited step by name, and changes nothing', async () => {
    const steps = await stepsWith('edited', {
      [`${next}_counted.sql`]: 'create table viewkeeper.other (id integer)',
    })
    await expect(migrate(database, steps)).rejects.toThrow(`schema/${next}_counted.sql was edited`)
    expect(await sql`select to_regclass('viewkeeper.other') as other`).toEqual([{ other: null }])
  })

  test('refuses a schema that other steps have made before it applies one, and names the command that carries the record over', async () => {
    const steps = await stepsWith('other', {
      [`${next}_counted.sql`]: 'select 1',
      [`${after}_later.sql`]: 'select 1',
    })
    await rename(new URL('001_schema.sql', steps), new URL('001_definitions.sql', steps))
    await expect(migrate(database, steps)).rejects.toMatchObject({
      code: 'MigrationFailed',
      message: expect.stringMatching(
        /number 1 is 001_schema there, and 001_definitions in this version\. Nothing was changed\. .*: npx viewkeeper migrate schema$/,
      ),
    })
    expect(await sql`select number from viewkeeper.schema_steps`).toHaveLength(ours.length + 1)
  })

  test('that fails half-way leaves the state before the step, and says file, line and SQLSTATE', async () => {
    const steps = await stepsWith('broken', {
      [`${next}_counted.sql`]: 'create table viewkeeper.counted (id integer)',
      [`${after}_broken.sql`]:
        'create table viewkeeper.half (id integer);\n\ncreate table viewkeeper.half (id text);',
    })
    await expect(migrate(database, steps)).rejects.toMatchObject({
      code: 'MigrationFailed',
      message: expect.stringMatching(new RegExp(`schema/${after}_broken\\.sql.*\\(42P07\\)`)),
    })
    expect(await sql`select to_regclass('viewkeeper.half') as half`).toEqual([{ half: null }])
    expect(await sql`select number from viewkeeper.schema_steps`).toHaveLength(ours.length + 1)
    const typo = await stepsWith('typo', {
      [`${next}_counted.sql`]: 'create table viewkeeper.counted (id integer)',
      [`${after}_typo.sql`]: 'create table viewkeeper.fine (id integer);\n\ncreate tabel x',
    })
    await expect(migrate(database, typo)).rejects.toThrow(`schema/${after}_typo.sql, line 3`)
  })

  test('refuses a gap and a name that is no step', async () => {
    await expect(readSchemaSteps(await stepsWith('gap', { '999_late.sql': '' }))).rejects.toThrow(/999_late/)
    await expect(readSchemaSteps(await stepsWith('odd', { 'notes.sql': '' }))).rejects.toThrow(/notes\.sql/)
  })

  test('reads line ends of either kind as the same file', async () => {
    const unix = await readSchemaSteps(
      await stepsWith('unix', { [`${next}_a.sql`]: 'select 1;\nselect 2;\n' }),
    )
    const windows = await readSchemaSteps(
      await stepsWith('windows', { [`${next}_a.sql`]: 'select 1;\r\nselect 2;\r\n' }),
    )
    expect(windows.at(-1)?.checksum).toBe(unix.at(-1)?.checksum)
  })
})

describe('migrating by a login whose name SQL has to quote', () => {
  const { sql, url, as } = useDatabase({ migrated: false })
  const name = `The Keeper's ${url.slice(-8)}`

  test('makes the schema, in which the login refreshes its views', async () => {
    const login = `"${name}"`
    await sql.unsafe(`
      create role ${login} login password 'secret';
      grant create on database ${new URL(url).pathname.slice(1)} to ${login};
      create schema shop authorization ${login};
      set role ${login};
      create materialized view shop.sales as select 1 as id;
      create materialized view shop.top as select id from shop.sales;
      reset role`)
    const { database } = as(name)
    expect((await migrate(database, schemaFolder)).applied).toHaveLength(ours.length)
    const run = await refresh({ view: 'shop.sales', strategy: 'swap' }, callOn(database))
    expect(run).toMatchObject({ status: 'updated' })
  })
})
