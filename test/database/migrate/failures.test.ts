import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { migrateDown, migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { eachCase } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { type TestDatabase, useDatabase } from '../../support/servers/database.ts'
import { definition, type FrozenFolder, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()

/** All that a migration may change: the catalog, where the data lies, and what is on record but for runs. */
const everything = async ({ sql }: TestDatabase) => ({
  catalog: await wholeCatalog(sql),
  record: await sql`
    select (select jsonb_agg(d order by id) from viewkeeper.definitions d) as definitions,
           (select jsonb_agg(m order by number) from viewkeeper.migrations m) as migrations`,
})

describe('a folder that is not what it was when it was applied', () => {
  const place = useDatabase()
  const { database, sql } = place
  let good: FrozenFolder
  const first = definition('a', 'select 1 as id', { comment: 'first' })

  beforeAll(async () => {
    good = await folder('good')
    await good.freeze([first])
    await good.freeze([{ ...first, comment: 'second' }])
    await good.write('003_own.up.sql', 'create table own (id integer);\n')
    await good.write('003_own.down.sql', 'drop table own;\n')
    await good.freeze([{ ...first, comment: 'third', sql: 'select 2 as id' }])
    await migrateUp(migrateCall(database), await good.read())
  })

  async function copied(name: string): Promise<FrozenFolder> {
    const copy = await folder(name)
    await cp(good.path, copy.path, { recursive: true })
    return copy
  }

  async function edit(of: FrozenFolder, file: string, from: string, to: string): Promise<void> {
    const text = await readFile(join(of.path, file), 'utf8')
    expect(text).toContain(from)
    await of.write(file, text.replaceAll(from, to))
  }

  /** Nothing can be done with it, up, down or only to look, and every time the same is said. */
  async function refused(of: FrozenFolder, message: string): Promise<void> {
    const before = await everything(place)
    const runs = await sql`select * from viewkeeper.runs`
    for (const work of [
      async () => migrateUp(migrateCall(database), await of.read()),
      async () => migrateDown(migrateCall(database), await of.read(), 1),
      async () => migrationStatus(database, await of.read()),
    ]) {
      const refusal = await refusalOf(work())
      expect(refusal.message).toBe(`migrations/${message}`)
      expect(refusal.code).toBe('MigrationFailed')
    }
    expect(await everything(place)).toEqual(before)
    expect(await sql`select * from viewkeeper.runs`).toEqual(runs)
  }

  const wasEdited = (file: string) =>
    `: ${file} was edited: its SQL differs from its header. Restore the file, change the view's definition, and freeze that.`
  const wasEditedLater = (name: string) =>
    `${name} was edited after it had been applied to this database. Restore the file, and freeze the change.`

  eachCase(
    [
      ['SQL of a way up', '002_a.up.sql', "is 'second'", "is 'other'", wasEdited('002_a.up.sql')],
      ['header of a way up', '002_a.up.sql', '"second"', '"other"', wasEdited('002_a.up.sql')],
      ['SQL of a way back', '001_a.down.sql', 'materialized view', 'view', wasEdited('001_a.down.sql')],
      ['query of a way up', '002_a.up.sql', 'select 1 as id', 'select 3 as id', wasEditedLater('002_a')],
      ['query of a way back', '004_a.down.sql', 'select 1 as id', 'select 3 as id', wasEditedLater('004_a')],
      ['reason', '001_a.up.sql', '"why": "a test"', '"why": "no reason"', wasEditedLater('001_a')],
      ['own SQL', '003_own.up.sql', 'id integer', 'id bigint', wasEditedLater('003_own')],
      ['own way back', '003_own.down.sql', ';', ' cascade;', wasEditedLater('003_own')],
    ],
    { quick: 3 },
  )('because the %s was edited is refused', async (what, file, from, to, message) => {
    const copy = await copied(`edited ${what}`)
    await edit(copy, file, from, to)
    await refused(copy, message)
  })

  /** Does something to both files of a migration, or to the one of `ways`. */
  const bothWays = async (work: (way: string) => Promise<unknown>, ways = ['up', 'down']) => {
    for (const way of ways) await work(way)
  }
  const removed = (name: string, ways?: string[]) => (path: string) =>
    bothWays((way) => rm(join(path, `${name}.${way}.sql`)), ways)
  const put = (does: typeof cp | typeof rename, from: string, to: string) => (path: string) =>
    bothWays((way) => does(join(path, `${from}.${way}.sql`), join(path, `${to}.${way}.sql`)))

  test.each<[string, (path: string) => Promise<unknown>, string]>([
    ['a way back of somebody’s own is lost', removed('003_own', ['down']), wasEditedLater('003_own')],
    [
      'a migration is missing',
      removed('002_a'),
      ': 003_own should be number 002: a migration before it is missing.',
    ],
    [
      'two have the same number',
      put(cp, '004_a', '002_b'),
      ': 002_a and 002_b have the same number, because two branches froze them. ' +
        'Rename the files of those that only your branch has, so that they come after all others.',
    ],
    [
      'a down file is missing',
      removed('002_a', ['down']),
      ': 002_a.up.sql has no 002_a.down.sql. Restore that file.',
    ],
    ['an up file is missing', removed('002_a', ['up']), ': 002_a.down.sql has no 002_a.up.sql.'],
    [
      'a file was renamed',
      put(rename, '002_a', '002_b'),
      ': this database has 002_a, and the folder calls it 002_b. Give the files their name back.',
    ],
    ...[
      '5_b.up.sql',
      '005-b.up.sql',
      '005_b.sql',
      '005_b.UP.sql',
      '005_ä.up.sql',
      'b.up.sql',
      '005_.up.sql',
    ].map((file): [string, (path: string) => Promise<unknown>, string] => [
      `a file is called ${file}`,
      (path) => writeFile(join(path, file), 'select 1'),
      `: ${file} is no name of a migration. Names are 001_words.up.sql with 001_words.down.sql.`,
    ]),
  ])('because %s is refused', async (what, change, message) => {
    const copy = await copied(what)
    await change(copy.path)
    await refused(copy, message)
  })

  test('because none of it is the database’s is refused: that was migrated from another', async () => {
    const other = await folder('other')
    await other.freeze([definition('a', 'select 2 as id')])
    await refused(
      other,
      ': this database was migrated from another folder. The database has 001_a, 002_a, 003_own, .... ' +
        'Work in that folder, or on a database of your own. (The database of `npm start` was migrated from local/demo.)',
    )
  })

  test('because all of it was edited is not taken for another', async () => {
    const edited = await folder('all edited')
    for (const { comment } of [first, { comment: 'second' }])
      await edited.freeze([{ ...first, comment: `${comment}, edited` }])
    await edited.write('003_own.up.sql', 'create table own (id bigint);\n')
    await edited.freeze([{ ...first, sql: 'select 3 as id' }])
    await refused(edited, wasEditedLater('001_a'))
  })

  test('is not refused for having nothing: it is behind, as an older version is', async () => {
    const empty = await folder('empty')
    const { ahead } = await migrateUp(migrateCall(database), await empty.read())
    expect(ahead).toEqual(['001_a', '002_a', '003_own', '004_a'])
  })

  test('is not, where line ends were changed on the way, or a file of another kind lies beside', async () => {
    const copy = await copied('line ends')
    for (const file of ['001_a.up.sql', '003_own.up.sql']) {
      const text = await readFile(join(copy.path, file), 'utf8')
      await copy.write(file, text.replaceAll('\n', '\r\n'))
    }
    await copy.write('README.md', 'words')
    expect(await migrateUp(migrateCall(database), await copy.read())).toEqual({ applied: [], ahead: [] })
  })

  test('because it is behind does nothing up, and says so; down it is refused', async () => {
    const copy = await copied('behind')
    for (const file of ['003_own', '004_a'].flatMap((name) => [`${name}.up.sql`, `${name}.down.sql`]))
      await rm(join(copy.path, file))
    const before = await everything(place)
    const ahead = ['003_own', '004_a']
    expect(await migrateUp(migrateCall(database), await copy.read())).toEqual({ applied: [], ahead })
    expect(await migrationStatus(database, await copy.read())).toMatchObject({ pending: [], ahead })
    const refusal = await refusalOf(migrateDown(migrateCall(database), await copy.read(), 1))
    expect(refusal.message).toMatch(/ahead: it has 003_own, 004_a, .*npx viewkeeper migrate down 2$/)
    expect(await everything(place)).toEqual(before)
  })

  test('because another branch has gone on from the same migration is refused', async () => {
    const branch = await copied('branch')
    for (const file of ['003_own', '004_a'].flatMap((name) => [`${name}.up.sql`, `${name}.down.sql`]))
      await rm(join(branch.path, file))
    await branch.freeze([{ ...first, comment: 'of the branch' }])
    await refused(
      branch,
      ': this database has 003_own, but the folder has 003_a, because two branches froze number 3. ' +
        'Merge the branch that has 003_own, and rename the files of 003_a and of all that follow it, so that they come after all others. ' +
        'If the database is your own, you can also check out that branch and run: npx viewkeeper migrate down 2',
    )
  })

  test('is refused, too, where the journal lacks one before its last', async () => {
    await deleteRows(sql, 'migrations', { number: 2 })
    const { checksum } = (await good.read())[1] as { checksum: string }
    const restoring = `insert into viewkeeper.migrations (number, name, checksum) values (2, '002_a', '${checksum}');`
    const message =
      ': this database has 003_own, but lacks the earlier 002_a. If the database was changed as 002_a says, ' +
      `write that down: ${restoring}`
    await refused(good, message)
    const behind = await copied('behind a gap')
    for (const file of ['003_own', '004_a'].flatMap((name) => [`${name}.up.sql`, `${name}.down.sql`]))
      await rm(join(behind.path, file))
    await refused(behind, message)
    await sql.unsafe(restoring)
    expect(await migrateUp(migrateCall(database), await good.read())).toEqual({ applied: [], ahead: [] })
  })
})

describe('a migration that fails', () => {
  const place = useDatabase()
  const { database, sql } = place
  const suffix = place.url.slice(-8)
  let names = 0

  beforeAll(async () => {
    await sql`create table base (id integer, n integer, code text)`
    await sql`insert into base values (1, 5, 'a'), (2, 0, 'a')`
  })

  /** A place without journal, where `views` have been made by migrations. */
  async function made(...views: Definition[]): Promise<FrozenFolder> {
    await deleteRows(sql, 'migrations')
    const frozen = await folder(`failing ${++names}`)
    await frozen.freeze(views)
    await migrateUp(migrateCall(database), await frozen.read())
    return frozen
  }

  /** Applies what the folder has, which has to fail with nothing changed, and gives what is said. */
  async function failing(frozen: FrozenFolder, way: 'up' | 'down' = 'up') {
    const before = await everything(place)
    const migrations = await frozen.read()
    const call = migrateCall(database)
    const refusal = await refusalOf(
      way === 'up' ? migrateUp(call, migrations) : migrateDown(call, migrations, 1),
    )
    expect(await everything(place)).toEqual(before)
    expect(refusal.code).toBe('MigrationFailed')
    return refusal
  }

  const lastRun = async () => (await sql`select * from viewkeeper.runs order by id desc limit 1`)[0]

  test('on the data that is there leaves no view, and a failed run', async () => {
    const frozen = await made()
    await frozen.freeze([definition('divided', 'select 1 / n as n from public.base')])
    const refusal = await failing(frozen)
    const run = await lastRun()
    expect(run).toMatchObject({
      view_name: 'divided',
      operation: 'create',
      status: 'failed',
      trigger: 'cli',
      error: { class: 'ViewSqlFailed', sqlstate: '22012', message: 'division by zero' },
    })
    expect(refusal.details).toEqual({ runId: run?.id, sqlstate: '22012' })
    expect(refusal.message).toContain(`001_divided.up.sql: division by zero (22012), run ${run?.id}`)
  })

  test('on the data that is there leaves the view as it was; put right, it goes on from there', async () => {
    const view = definition('rebuilt', 'select id from public.base', { comment: 'old' })
    const frozen = await made(view)
    await sql`create view above_rebuilt as select id from rebuilt`
    const changed = { ...view, sql: 'select id, 1 / n as n from public.base', comment: 'new' }
    await frozen.freeze([changed])
    await frozen.freeze([changed, definition('rebuilt_next', 'select 1 as id')])
    expect((await failing(frozen)).message).toContain('002_rebuilt.up.sql: division by zero (22012)')
    expect(await sql`select id from above_rebuilt order by 1`).toEqual([{ id: 1 }, { id: 2 }])
    await sql`update base set n = 1 where n = 0`
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    expect(applied).toMatchObject([{ name: '002_rebuilt', does: 'rebuild' }, { name: '003_rebuilt_next' }])
    await sql`update base set n = 0 where id = 2`
  })

  test('because a key is none says nothing of the data', async () => {
    const frozen = await made()
    const indexes = [{ name: 'keyed_key', unique: true, on: '(code)' }]
    await sql`update base set code = 'top secret'`
    await frozen.freeze([definition('keyed', 'select id, code from public.base', { indexes })])
    const refusal = await failing(frozen)
    expect(refusal.message).toMatch(/^migrations\/001_keyed\.up\.sql: .*\(23505\)/)
    expect(JSON.stringify([refusal.message, refusal.details, await lastRun()])).not.toContain('secret')
  })

  test('leaves those before it applied, and those after it alone', async () => {
    const frozen = await made()
    const views = [
      definition('stays_done', 'select 1 as id'),
      definition('fails', 'select 1 / n as n from public.base'),
      definition('never_begun', 'select 1 as id'),
    ]
    await frozen.freeze(views)
    const heard: string[] = []
    await refusalOf(
      migrateUp(migrateCall(database, { onDone: ({ name }) => heard.push(name) }), await frozen.read()),
    )
    expect(heard).toEqual(['001_stays_done'])
    const status = await migrationStatus(database, await frozen.read())
    expect(status).toMatchObject({
      applied: [{ name: '001_stays_done' }],
      pending: ['002_fails', '003_never_begun'],
    })
  })

  eachCase<[string, Partial<Definition>, string, string]>(
    [
      [
        'its query',
        { sql: `-- ${'😀'.repeat(60)}\nselect id,\n       nothing\n  from public.base` },
        'nothing',
        'column "nothing" does not exist (42703)',
      ],
      [
        'an index',
        {
          sql: 'select id\n  from public.base',
          indexes: [{ name: 'lined_i', on: '(nothing)' }],
          comment: 'c',
        },
        'nothing',
        'column "nothing" does not exist (42703)',
      ],
      [
        'a grant',
        { comment: 'two\nlines', grants: [{ privileges: ['select'], to: `nobody_${suffix}` }] },
        'nobody',
        `role "nobody_${suffix}" does not exist (42704)`,
      ],
    ],
    { quick: 1 },
  )('by a mistake in %s names the line of the file, and is no run', async (_, more, mistake, message) => {
    const frozen = await made()
    await frozen.freeze([definition('lined', 'select id from public.base', more)])
    const lines = (await readFile(join(frozen.path, '001_lined.up.sql'), 'utf8')).split('\n')
    const before = await lastRun()
    const refusal = await failing(frozen)
    const line = lines.findLastIndex((text) => text.includes(mistake)) + 1
    expect(refusal.message).toContain(`001_lined.up.sql, line ${line}: ${message}`)
    expect(await lastRun()).toEqual(before)
  })

  test.each([
    [
      'table',
      'create table taken_by_table (id integer)',
      'public.taken_by_table is a table, not a materialized view.',
    ],
    [
      'plain view',
      'create view taken_by_view as select 1 as id',
      'public.taken_by_view is a plain view, not a materialized view.',
    ],
  ])('because a %s has the name says so', async (what, statement, message) => {
    await sql.unsafe(statement)
    const name = /taken_by_\w+/.exec(statement)![0]
    const frozen = await made()
    await frozen.freeze([definition(name, 'select 1 as id')])
    expect((await failing(frozen)).message, what).toBe(`migrations/001_${name}.up.sql: ${message}`)
  })

  test('because a function depends on it and a materialized view reads it, names the function', async () => {
    const frozen = await made(
      definition('beneath', 'select id, n from public.base'),
      definition('over', 'select n from public.beneath'),
    )
    await sql`create function in_the_way(beneath) returns integer language sql as 'select 1'`
    await frozen.freeze([
      definition('beneath', 'select id, n + 1 as n from public.base'),
      definition('over', 'select n from public.beneath'),
    ])
    const { message } = await failing(frozen)
    await sql`drop function in_the_way`
    expect(message).toContain('public.beneath cannot be given another query')
    expect(message).toMatch(/function "?public"?\.in_the_way|function in_the_way/)
  })

  eachCase(
    [
      ['a view of a column', 'create view in_the_way as select n from %v', /view "?public"?\."?in_the_way/],
      ['an index on a column', 'create index in_the_way on %v (n)', /index "?in_the_way/],
      [
        'statistics on it',
        'create statistics in_the_way on id, n from %v',
        /statistics "?(public"?\."?)?in_the_way/,
      ],
      ['a grant on a column', 'grant select (n) on %v to public', /grant.*\bn\b.*public/],
    ],
    { quick: 2 },
  )('because of %s that goes says what stands in the way', async (_, statement, message) => {
    const name = `needed_${++names}`
    const view = definition(name, 'select id, n from public.base')
    const frozen = await made(view)
    await sql.unsafe(statement.replace('%v', name))
    await frozen.freeze([{ ...view, sql: 'select id::text from public.base' }])
    const refusal = await failing(frozen)
    await sql.unsafe(`drop materialized view ${name} cascade`)
    expect.soft(refusal.message).toMatch(message)
    expect.soft(refusal.message).not.toContain('viewkeeper_')
  })

  test.each(['up', 'down'] as const)('because something reads what is to go, %s, names it', async (way) => {
    const name = `dropped_${way}`
    const view = definition(name, 'select 1 as id')
    const frozen = await made(view)
    await sql.unsafe(`create view reads_${name} as select * from ${name}`)
    if (way === 'up') await frozen.freeze([], { removes: [{ schema: 'public', name }] })
    expect((await failing(frozen, way)).message).toContain(`view public.reads_${name}`)
  })

  test('for want of a way back says so', async () => {
    const frozen = await made()
    await frozen.write('001_own.up.sql', 'select 1;\n')
    await migrateUp(migrateCall(database), await frozen.read())
    expect((await failing(frozen, 'down')).message).toContain('001_own has no way back')
  })

  test('because the view that is to be renamed is not there, or the new name is taken, says so', async () => {
    const view = definition('old_name', 'select 1 as id')
    const frozen = await made(view)
    await frozen.freeze([{ ...view, name: 'new_name' }], {
      renames: [{ from: { schema: 'public', name: 'old_name' }, to: { schema: 'public', name: 'new_name' } }],
    })
    await sql`create table new_name (id integer)`
    expect((await failing(frozen)).message).toMatch(/^migrations\/002_new_name\.up\.sql: .*new_name/)
    await sql`drop table new_name`
    await sql`drop materialized view old_name`
    expect((await failing(frozen)).message).toMatch(/^migrations\/002_new_name\.up\.sql: .*public\.old_name/)
  })
})

describe('a database without schema viewkeeper', () => {
  const place = useDatabase({ migrated: false })

  test('is said to need it, and gets no view', async () => {
    const frozen = await folder('not migrated')
    await frozen.freeze([definition('a', 'select 1 as id')])
    const refusal = await refusalOf(migrateUp(migrateCall(place.database), await frozen.read()))
    expect(refusal.code).toBe('NotMigrated')
    expect(await place.sql`select from pg_matviews`).toEqual([])
    expect(await migrationStatus(place.database, await frozen.read())).toEqual({
      applied: [],
      pending: ['001_a'],
      ahead: [],
      missing: [],
    })
  })
})
