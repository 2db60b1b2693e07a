import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { findFreePort } from '../../local/embedded/port.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { Sql } from '../../src/db/server/connect.ts'
import { administrator } from '../support/database.ts'
import { wholeCatalog } from '../support/whole-catalog.ts'
import { Project } from './support/project.ts'

const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-'))
let server: EmbeddedPostgres
let databases = 0

beforeAll(async () => {
  server = await startEmbeddedPostgres({ folder, parameters: { fsync: 'off' } })
})

afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

/** A project with a database of its own, and a superuser's connection to that. */
async function start(): Promise<{ project: Project; sql: Sql; url: string }> {
  const admin = administrator(server.url)
  await admin.unsafe(`create database of_${++databases}`)
  await admin.end()
  const url = server.url.replace(/[^/]*$/, `of_${databases}`)
  const sql = administrator(url)
  onTestFinished(() => sql.end({ timeout: 1 }))
  await sql`create table orders as select i as id, i % 3 as shop, i * 10 as total from generate_series(1, 30) i`
  return { project: new Project(url), sql, url }
}

const freeze = (...more: string[]): string[] => ['freeze', '-m', 'a test', ...more]

describe('what is frozen', () => {
  test('depends on views that are authored, or in the database; else the file and the nearest name are told', async () => {
    const { project, sql } = await start()
    await sql`create materialized view ledger as select 1 as id`
    project.author('sales', 'select 1 as id', `dependsOn: ['public.ledgr']`)
    expect(await project.refused(...freeze())).toMatch(
      /^views\/ is not valid:\n {2}views\/sales\.ts:\d+ {2}dependsOn: names public\.ledgr, but no view has that name: did you mean public\.ledger\?$/,
    )
    project.author('sales', 'select 1 as id', `dependsOn: ['public.ledger', 'public.other']`)
    project.author('other', 'select 1 as id')
    expect(await project.succeed(...freeze('sales'))).toContain('wrote migrations/001_sales.up.sql')
  })

  test('belongs to the role that VIEW_OWNER names, unless the definition names another', async () => {
    const { project, sql } = await start()
    for (const role of ['cli_owner', 'cli_other'])
      await sql.unsafe(`create role ${role}; grant all on schema public to ${role}`)
    project.author('sales', 'select 1 as id')
    project.author('others', 'select 1 as id', `owner: 'cli_other'`)
    const env = { VIEW_OWNER: 'cli_owner' }
    for (const command of [freeze(), ['migrate', 'up']])
      expect(await project.run(command, { env })).toMatchObject({ code: 0 })
    expect(
      await sql`select relname as view, relowner::regrole::text as owner from pg_class where relkind = 'm' order by 1`,
    ).toEqual([
      { view: 'others', owner: 'cli_other' },
      { view: 'sales', owner: 'cli_owner' },
    ])
    await sql`create materialized view mine as select 1 as id`
    await sql`alter materialized view mine owner to cli_other`
    expect(await project.run(['adopt', 'mine'], { env })).toMatchObject({ code: 0 })
    expect(project.read('views/mine.ts')).toContain(`owner: 'cli_other'`)
    expect(await project.succeed('check')).toContain('are the same')
  })
})

describe('the life of a view', () => {
  test('from its first line to its last', async () => {
    const { project, sql } = await start()
    project.author(
      'sales',
      'select id, total from public.orders',
      `uniqueKey: ['id'], comment: 'Sales of each order.', grants: [{ privileges: ['select'], to: 'public' }]`,
    )

    expect(await project.refused('check')).toBe('')
    expect(await project.succeed(...freeze())).toBe(
      '  ✓ public.sales   new   valid on DATABASE_URL, up and down (rolled back, not filled), 1 index, 1 grant\n' +
        '  wrote migrations/001_sales.up.sql and .down.sql\n',
    )
    expect(await sql`select to_regclass('sales') as there`).toEqual([{ there: null }])
    expect(await project.succeed('migrate', 'status')).toBe('  · 001_sales   not applied\n')
    const missing = await project.run(['check'])
    expect(missing).toMatchObject({ code: 1, err: '' })
    expect(missing.out).toMatch(
      /✗ public\.sales +missing +it is not in this database\n.*1 difference in 1 view\n.*not applied to this database: 001_sales/,
    )

    expect(await project.succeed('migrate', 'up')).toMatch(
      /^ {2}✓ 001_sales {3}created {3}[\d.]+ s {3}run 1\n {2}1 migration applied\n$/,
    )
    expect(await sql`select count(*)::int as n from sales`).toEqual([{ n: 30 }])
    expect(await project.succeed('check')).toBe('  ✓ 1 view: authored, frozen and live are the same\n')
    expect(await project.succeed('migrate', 'up')).toBe('  nothing to apply\n')
    expect(await project.succeed('migrate', 'status')).toMatch(
      /^ {2}✓ 001_sales {3}\d{4}-\d\d-\d\d \d\d:\d\d UTC, run 1\n$/,
    )

    await sql`create view shop_sales as select id from sales`
    await sql`create index by_hand on sales (total)`
    project.write('views/sales.sql', 'select id, total, shop\n  from public.orders -- by shop\n')
    expect
      .soft((await project.run(['check', '--offline'])).out)
      .toMatch(/✗ public\.sales +unfrozen +query changed since 001_sales/)
    expect(await project.succeed(...freeze())).toMatch(
      /✓ public\.sales {3}query changed {3}valid on DATABASE_URL, up and down \(rolled back, not filled\), 1 dependent kept, 2 indexes, 1 grant\n/,
    )
    expect(await project.succeed('migrate', 'up')).toMatch(/✓ 002_sales {3}rebuilt/)
    expect((await project.run(['check'])).out).toMatch(
      /✗ public\.sales +index +it has index by_hand, which is not frozen/,
    )
    await sql`drop index by_hand`
    expect(await project.succeed('check')).toContain('are the same')
    expect(await sql`select shop from sales where id = 1`).toEqual([{ shop: 1 }])

    expect(await project.succeed('migrate', 'down')).toMatch(
      /✓ 002_sales {3}put back.*\n {2}1 migration undone\n$/,
    )
    expect((await project.run(['check'])).code).toBe(1)
    expect(await project.succeed('migrate', 'up')).toContain('002_sales   rebuilt')
    expect(await project.succeed('check')).toContain('are the same')

    project.unauthor('sales')
    project.author('turnover', 'select id, total, shop from public.orders', `uniqueKey: ['id']`)
    expect(await project.refused(...freeze())).toBe(
      'views/: public.sales: frozen, but no longer authored. Add --remove sales, or --rename sales=new_name, for each.',
    )
    const renamed = await project.succeed(...freeze('--rename', 'sales=turnover'))
    expect(renamed).toMatch(
      /✓ public\.turnover {3}rename .*\n.*✓ public\.turnover {3}indexes, comment, grants changed/,
    )
    expect(await project.succeed('migrate', 'up')).toMatch(
      /003_turnover {3}renamed.*\n.*004_turnover {3}altered/,
    )
    expect(await sql`select count(*)::int as n from shop_sales`).toEqual([{ n: 30 }])
    expect(await project.succeed('check')).toContain('are the same')

    await sql`drop view shop_sales`
    project.unauthor('turnover')
    expect(await project.succeed(...freeze('--remove', 'turnover'))).toContain('✓ public.turnover   drop')
    expect(await project.succeed('migrate', 'up')).toContain('005_remove_turnover   dropped')
    expect(await project.succeed('check')).toBe('  ✓ 0 views: authored, frozen and live are the same\n')
    expect(await sql`select from pg_matviews`).toEqual([])

    expect(await project.succeed('migrate', 'down', '99')).toMatch(
      /005_remove_turnover {3}made again.*\n.*004_turnover {3}put back.*\n.*003_turnover {3}renamed back.*\n.*002_sales {3}put back.*\n.*001_sales {3}dropped.*\n {2}5 migrations undone\n$/,
    )
    expect(await project.succeed('migrate', 'down')).toBe('  nothing to undo\n')
    expect(await project.succeed('migrate', 'up')).toContain('5 migrations applied')
    expect(project.files('migrations')).toHaveLength(10)
  })
})

describe('freezing', () => {
  test('twice writes once, and not at all for white space, comments and the order of fields', async () => {
    const { project } = await start()
    project.author('sales', 'select id, total from public.orders', `retries: 2, comment: 'c'`)
    await project.succeed(...freeze())
    const before = project.files('migrations')
    expect(await project.succeed(...freeze())).toBe('  nothing has changed; nothing was written\n')
    project.author(
      'sales',
      'SELECT id,\n  total -- all of it\nFROM public.orders',
      `comment: 'c', retries: 2`,
    )
    expect(await project.succeed(...freeze())).toBe('  nothing has changed; nothing was written\n')
    expect(project.files('migrations')).toEqual(before)
  })

  test('writes views that read each other in the order in which they can be made', async () => {
    const { project, sql } = await start()
    project.author('a_last', 'select count(*) as n from public.b_middle, public.c_first')
    project.author('b_middle', 'select id from public.c_first')
    project.author('c_first', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
      '001_c_first.up.sql',
      '002_b_middle.up.sql',
      '003_a_last.up.sql',
    ])
    await project.succeed('migrate', 'up')
    expect(await sql`select n::int from a_last`).toEqual([{ n: 900 }])
  })

  test('takes the word of a view that says what it reads in functions', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`create function counted() returns bigint language plpgsql as
      'begin return (select count(*) from public."Base"); end'`)
    project.author('Above', 'select counted() as n', `dependsOn: ['public."Base"']`)
    project.author('Base', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
      '001_Base.up.sql',
      '002_Above.up.sql',
    ])
  })

  test('removes views in the order in which they can go, whenever they were frozen and whatever they were called', async () => {
    const { project, sql } = await start()
    project.author('below', 'select id from public.orders')
    project.author('above', 'select id from public.below')
    await project.succeed(...freeze())
    project.unauthor('below')
    project.author('base', 'select id from public.orders')
    project.author('above', 'select id from public.base')
    await project.succeed(...freeze('--rename', 'below=base'))
    await project.succeed('migrate', 'up')
    for (const name of ['base', 'above']) project.unauthor(name)
    await project.succeed(...freeze('--remove', 'base', 'above'))
    await project.succeed('migrate', 'up')
    expect(await sql`select from pg_matviews`).toEqual([])
  })

  test('writes nothing where one of several does not run, and says where in which view', async () => {
    const { project, sql } = await start()
    project.author('fine', 'select id from public.orders')
    project.author('wrong', 'select id,\n       nothing\n  from public.fine')
    const before = await wholeCatalog(sql)
    expect(await project.refused(...freeze())).toBe(
      'public.wrong, line 2 of its query: column "nothing" does not exist (42703). Nothing was written.',
    )
    expect(project.files('migrations')).toEqual([])
    expect(await wholeCatalog(sql)).toEqual(before)
  })

  test('tells all that is wrong in all files at once', async () => {
    const { project } = await start()
    project.author('one', 'select id from public.orders;\nselect 2')
    project.author(
      'two',
      'select id from public.orders',
      `retires: 3, uniqueKey: [], grants: [{ privileges: ['look'], to: 'x' }]`,
    )
    project.author('three', 'delete from orders')
    project.write('views/four.ts', 'export const nothing = 1\n')
    project.write('views/five.ts', `import { defineView } from 'viewkeeper'\nthrow new Error('not today')\n`)
    const problems = (await project.refused(...freeze())).split('\n')
    expect(problems[0]).toBe('views/ is not valid:')
    const places = problems.slice(1).map((line) => line.trim().split(/ {2}/)[0])
    expect(places).toEqual([
      'views/five.ts:2',
      'views/four.ts:1',
      'views/one.sql:2',
      'views/three.sql:1',
      ...Array(3).fill('views/two.ts:4'),
    ])
    expect(problems.join('\n')).toContain('did you mean retries?')
    expect(project.files('migrations')).toEqual([])
    expect(await project.refused('check')).toContain('views/ is not valid:')
  })

  test('takes only the views that are named', async () => {
    const { project } = await start()
    for (const name of ['one', 'two']) project.author(name, 'select id from public.orders')
    await project.succeed(...freeze('two'))
    expect(project.files('migrations')).toEqual(['001_two.down.sql', '001_two.up.sql'])
  })

  test('with words that fit nothing is refused in one line', async () => {
    const { project } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze('--unverified'))
    for (const [args, message] of [
      [['--rename', 'sales'], '--rename: write old=new, not "sales".'],
      [['--rename', 'a=b=c'], '--rename: write old=new, not "a=b=c".'],
      [['--rename', 'nothing=sales'], '--rename: public.nothing was never frozen.'],
      [
        ['--rename', 'sales=other'],
        '--rename: no file in views/ defines public.other: give the view that name there first.',
      ],
      [
        ['--remove', 'nothing'],
        '--remove: public.nothing was never frozen, so migrations/ has nothing to remove. If the view is in the database, ' +
          'drop it there, or with own SQL (docs/views.md).',
      ],
      [
        ['--remove', '"nothing'],
        '--remove: "\\"nothing" has a quote that is not closed. Write it as in SQL: sales, app.sales or "Odd.Name".',
      ],
      [['--remove', 'sales'], '--remove: public.sales is still authored: delete its file in views/ first.'],
      [['three'], 'view: no file in views/ defines public.three.'],
      [
        ['no name'],
        'view: "no name" is not a view\'s name. Write it as in SQL: sales, app.sales or "Odd.Name".',
      ],
    ] as const) {
      expect.soft(await project.refused(...freeze(...args))).toBe(message)
    }
    expect(project.files('migrations')).toHaveLength(2)
  })

  test('tells of names that a refresh will not find, and of keys with nulls', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      insert into orders values (null, 1, 1);
      create function rate() returns bigint language plpgsql as 'begin return (select count(*) from orders); end'`)
    project.author('sales', 'select id, rate() as rate from public.orders', `uniqueKey: ['id']`)
    const printed = await project.succeed(...freeze())
    expect(printed).toContain('! function public.rate() names orders without a schema')
    expect(printed).toContain('! some rows have NULL in (id)')
  })

  test('is refused while a frozen file is edited, and where one lies in the way', async () => {
    const { project } = await start()
    project.author('sales', 'select id from public.orders', `comment: 'c'`)
    await project.succeed(...freeze())
    const text = project.read('migrations/001_sales.up.sql')
    project.write('migrations/001_sales.up.sql', text.replace("is 'c'", "is 'd'"))
    for (const command of [freeze(), ['check'], ['migrate', 'up'], ['migrate', 'status']]) {
      expect(await project.refused(...command)).toContain('migrations/: 001_sales.up.sql was edited')
    }
    project.write('migrations/001_sales.up.sql', text)
    await project.succeed('migrate', 'up')
  })

  test.each([
    ['quotes and backslashes', `it's "odd" \\ \${x} %s`],
    ['lines', 'one\ntwo\n-- }\n\nthree'],
    ['lines as on Windows', 'one\r\ntwo'],
    ['letters of the world', 'Ü 日本 😀 \u2028'],
  ])('keeps a comment with %s', async (_, comment) => {
    const { project, sql } = await start()
    project.author('sales', 'select id from public.orders', `comment: ${JSON.stringify(comment)}`)
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up')
    expect(await sql`select obj_description('sales'::regclass) as comment`).toEqual([{ comment }])
    await project.succeed('check')
    expect(await project.succeed(...freeze())).toContain('nothing has changed')
  })
})

describe('adopting', () => {
  test('twenty views leaves the database as it is; the next check and deploy find nothing to do', async () => {
    const { project, sql } = await start()
    await sql`create role command_line_reader`
    for (let at = 0; at < 20; at++) {
      await sql.unsafe(`
        create materialized view adopted_${at} as select id, 'it''s \\ "' as word, ${at} as n from ${at % 3 ? `adopted_${at - 1}` : 'orders'};
        create unique index adopted_${at}_key on adopted_${at} (id);
        comment on materialized view adopted_${at} is 'it''s "number" ${at} \\ of
          twenty';
        grant select on adopted_${at} to command_line_reader with grant option; grant select (id) on adopted_${at} to public`)
    }
    const before = await wholeCatalog(sql)
    const printed = await project.succeed('adopt', '--all')
    expect(await wholeCatalog(sql)).toEqual(before)
    expect(printed).toContain('20 views adopted; the database was not changed')
    expect(project.files('views')).toHaveLength(40)
    expect(project.files('migrations')).toHaveLength(40)
    expect(project.read('views/adopted_7.ts')).toBe(`import { defineView } from 'viewkeeper'
import query from './adopted_7.sql'

export default defineView({
  name: 'adopted_7',
  query,
  indexes: [
    { name: 'adopted_7_key', unique: true, on: 'using btree (id)' },
  ],
  comment: 'it\\'s "number" 7 \\\\ of\\n          twenty',
  grants: [
    { privileges: ['select'], to: 'command_line_reader', grantOption: true },
    { privileges: ['select'], columns: ['id'], to: 'public' },
  ],
})
`)
    expect(await project.succeed('check')).toMatch(
      /✓ 20 views: authored, frozen and live are the same\n {2}not applied/,
    )
    expect(await project.succeed('adopt', '--all')).toContain(
      'there is nothing to adopt; nothing was written',
    )
    expect((await project.succeed('migrate', 'up')).match(/ {3}recorded\n/g)).toHaveLength(20)
    expect(await project.succeed(...freeze())).toContain('nothing has changed')
    expect(await project.succeed('check')).toBe('  ✓ 20 views: authored, frozen and live are the same\n')
    expect((await project.succeed('migrate', 'down', '20')).match(/ {3}record removed\n/g)).toHaveLength(20)
    const views = (catalog: Record<string, string[]>) =>
      catalog.pg_class?.filter((row) => row.includes('"adopted_')).toSorted()
    expect(views(await wholeCatalog(sql))).toEqual(views(before))
  })

  test('leaves odd names alone, says so, and takes the others, whatever schema they are in', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create schema app; create schema "Odd schema";
      create materialized view "Odd name" as select 1 as id;
      create materialized view "Odd schema".fine as select 1 as id;
      create materialized view odd_index as select 1 as id; create index "odd-index" on odd_index (id);
      create materialized view "Upper" as select 1 as "Id";
      create materialized view app.sales as select 1 as id; create materialized view sales as select 2 as id;
      create materialized view app.test as select 1 as id;
      create materialized view app.d as select 1 as id`)
    const printed = await project.succeed('adopt', '--all')
    for (const name of ['public."Odd name"', '"Odd schema".fine', 'public.odd_index']) {
      expect(printed).toContain(
        `· ${name}   not adopted: authored names have only letters, digits and _. Rename the view or index first`,
      )
    }
    expect.soft(printed).toContain('5 views adopted')
    const { out } = await project.run(['check', '--json'])
    expect
      .soft(JSON.parse(out).differences.map(({ view }: { view: string }) => view))
      .toEqual(['"Odd schema".fine', 'public."Odd name"', 'public.odd_index'])
    expect.soft((await project.run(['check', '--ignore-unmanaged'])).code).toBe(0)
  })

  test('some takes these, as SQL reads their names, and leaves those that are authored already', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create schema app; create materialized view app.sales as select 1 as id; create materialized view "Sales" as select 1 as id;
      create materialized view other as select 1 as id`)
    await project.succeed('adopt', 'APP.sales', '"Sales"')
    expect(project.files('views')).toEqual(['Sales.sql', 'Sales.ts', 'app'])
    expect(project.files('views/app')).toEqual(['sales.sql', 'sales.ts'])
    expect(project.read('views/app/sales.ts')).toContain("  schema: 'app',\n  name: 'sales',\n")
    const printed = await project.succeed('adopt', 'app.sales', 'other')
    expect(printed).toContain('· app.sales   is authored already\n')
    expect(printed).toContain('1 view adopted')
  })

  test('of what is not there, or of nothing, or in the way of a file, writes nothing', async () => {
    const { project, sql } = await start()
    await sql.unsafe(
      'create materialized view sales as select 1 as id; create materialized view other as select 1 as id',
    )
    expect(await project.refused('adopt', 'sales', 'nothing')).toBe(
      'There is no materialized view public.nothing in this database.',
    )
    expect(await project.refused('adopt', 'orders')).toBe(
      'public.orders is a table, not a materialized view.',
    )
    expect(await project.refused('adopt')).toBe('Either name the views to adopt, or write --all.')
    expect(await project.refused('adopt', 'sales', '--all')).toBe(
      'Either name the views to adopt, or write --all.',
    )
    expect(project.files('views')).toEqual([])
    project.write('views/sales.sql', 'select 3 as id\n')
    expect.soft(await project.refused('adopt', 'other', 'sales')).toContain('views/sales.sql')
    expect(project.files('views')).toEqual(['sales.sql'])
    expect(project.files('migrations')).toEqual([])
    project.remove('views/sales.sql')
    expect(await project.succeed('adopt', 'sales', 'sales')).toContain('1 view adopted')
  })

  test.each([
    ['a list of varchar', "select 1 as id where 'a'::varchar in ('a', 'b')"],
    ['a text over lines', "select 'one\n two' as text"],
    ['a text with lines as on Windows', "select 'one\r\n two' as text"],
    ['a text that ends in a semicolon', "select ';' as text, $$;\n$$ as more"],
  ])('a query with %s leaves nothing to do', async (_, query) => {
    const { project, sql } = await start()
    await sql.unsafe(`create materialized view held as ${query}`)
    await project.succeed('adopt', 'held')
    expect.soft(await project.run(['check'])).toMatchObject({ code: 0 })
    expect.soft(await project.succeed('migrate', 'up')).toContain('001_held   recorded')
    expect.soft(await project.run(['check'])).toMatchObject({ code: 0 })
  })

  test('takes views in an order in which they can be made, also through plain views, which it names', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create materialized view zzz as select id from orders;
      create materialized view aaa as select id from zzz;
      create view vv as select id from zzz;
      create view "on it" as select id from vv;
      create materialized view bbb as select id from "on it", pg_catalog.pg_tables;
      create materialized view ccc as select id from vv`)
    const printed = await project.succeed('adopt', '--all')
    expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
      '001_zzz.up.sql',
      '002_aaa.up.sql',
      '003_bbb.up.sql',
      '004_ccc.up.sql',
    ])
    expect(printed.split('\n').filter((line) => line.includes('plain view'))).toEqual([
      '  ! plain view public."on it", which public.bbb reads, is not part of the migrations: create the plain view yourself in a database without it',
      '  ! plain view public.vv, which public.bbb, public.ccc read, is not part of the migrations: create the plain view yourself in a database without it',
    ])
  })

  test('some takes them in the order that views between them make', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create materialized view low as select id from orders; create materialized view between as select id from low;
      create materialized view above as select id from between`)
    await project.succeed('adopt', 'above', 'low')
    expect(project.files('migrations')).toContain('001_low.up.sql')
  })

  test('says what a definition cannot keep', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create materialized view sales with (fillfactor = 70) as select 1 as id; comment on column sales.id is 'key'`)
    expect(await project.succeed('adopt', 'sales')).toContain(
      '✓ sales   stays in the database only: storage options, the comment on column id',
    )
  })
})

describe('checking', () => {
  test('for machines is JSON and nothing else', async () => {
    const { project, sql } = await start()
    project.author('sales', 'select id from public.orders', `comment: 'c'`)
    await project.succeed(...freeze())
    const missing = await project.run(['check', '--json'])
    expect(missing).toMatchObject({ code: 1, err: '' })
    expect(JSON.parse(missing.out)).toEqual({
      differences: [{ view: 'public.sales', kind: 'missing', message: 'it is not in this database' }],
      pending: ['001_sales'],
    })
    await project.succeed('migrate', 'up')
    expect(JSON.parse(await project.succeed('check', '--json'))).toEqual({ differences: [], pending: [] })
    await sql`create materialized view nobodys as select 1 as id`
    expect((await project.run(['check', '--json'])).code).toBe(1)
    const ignoring = await project.succeed('check', '--json', '--ignore-unmanaged')
    expect(JSON.parse(ignoring)).toEqual({ differences: [], pending: [] })
    project.author('sales', 'select id from public.orders', `comment: 'd'`)
    const offline = await project.run(['check', '--json', '--offline'])
    expect(offline.code).toBe(1)
    expect(JSON.parse(offline.out).differences).toMatchObject([{ view: 'public.sales', kind: 'unfrozen' }])
  })

  test('finds views that are frozen, but authored no more', async () => {
    const { project } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze())
    project.unauthor('sales')
    const { code, out } = await project.run(['check', '--offline'])
    expect(code).toBe(1)
    expect(out).toMatch(/✗ public\.sales +unauthored +frozen in 001_sales, but no file of views\/ defines it/)
  })
})

describe('a database that was migrated from another folder', () => {
  test('is left alone, by whatever command, and nothing is written for it', async () => {
    const { project: theirs, sql, url } = await start()
    theirs.author('sales', 'select id from public.orders')
    await theirs.succeed(...freeze())
    await theirs.succeed('migrate', 'up')
    const before = await wholeCatalog(sql)
    const message =
      'migrations/: this database was migrated from another folder. The database has 001_sales. ' +
      'Work in that folder, or on a database of your own. (The database of `npm start` was migrated from local/demo.)'

    const mine = new Project(url)
    expect(await mine.refused('migrate', 'status')).toBe(message)
    mine.author('mine', 'select id from public.orders')
    expect(await mine.refused(...freeze())).toBe(message)
    expect(await mine.refused('adopt', '--all')).toBe(message)
    expect(mine.files('migrations')).toEqual([])
    expect(mine.files('views')).toEqual(['mine.sql', 'mine.ts'])

    await mine.succeed(...freeze('--unverified'))
    for (const command of [['check'], ['migrate', 'up'], ['migrate', 'down'], ['migrate', 'status']]) {
      expect(await mine.refused(...command), command.join(' ')).toBe(message)
    }
    expect(await wholeCatalog(sql)).toEqual(before)
  })
})

describe('migrating', () => {
  test('leaves new views empty where it is told to, and check says so', async () => {
    const { project, sql } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up', '--no-data')
    expect(await sql`select ispopulated from pg_matviews`).toEqual([{ ispopulated: false }])
    expect((await project.run(['check'])).out).toMatch(
      /✗ public\.sales +unpopulated +it holds no data yet: refresh it/,
    )
  })

  test('that fails says why, keeps what was done before, and goes on from there when it is put right', async () => {
    const { project, sql } = await start()
    await sql`insert into orders values (0, 0, 0)`
    project.author('fine', 'select id from public.orders')
    project.author('fraught', 'select 1 / id as part from public.orders')
    await project.succeed(...freeze())
    const { code, out, err } = await project.run(['migrate', 'up'])
    expect(code).toBe(1)
    expect(out).toMatch(/^ {2}✓ 001_fine {3}created/)
    expect(err).toMatch(
      /^viewkeeper: migrations\/002_fraught\.up\.sql: division by zero \(22012\), run \d+\. The database is as it was before this migration\.\n$/,
    )
    await sql`delete from orders where id = 0`
    expect(await project.succeed('migrate', 'up')).toMatch(
      /✓ 002_fraught {3}created.*\n {2}1 migration applied/,
    )
  })

  test('of a database that is ahead fails, and changes nothing', async () => {
    const { project, sql } = await start()
    for (const name of ['one', 'two']) {
      project.author(name, 'select id from public.orders')
      await project.succeed(...freeze())
    }
    await project.succeed('migrate', 'up')
    for (const way of ['up', 'down']) project.remove(`migrations/002_two.${way}.sql`)
    const before = await wholeCatalog(sql)
    for (const command of ['up', 'down', 'status']) {
      expect(await project.refused('migrate', command)).toBe(
        'migrations/: this database is ahead: it has 002_two, and the folder does not. ' +
          'Merge the branch that has them, or check out that branch and run: npx viewkeeper migrate down 1',
      )
    }
    expect(await wholeCatalog(sql)).toEqual(before)
  })

  test('without anything frozen makes schema viewkeeper, and has nothing to do', async () => {
    const { project, sql } = await start()
    expect(await project.succeed('migrate', 'status')).toBe('  no migration is frozen yet\n')
    expect(await project.succeed('migrate', 'up')).toBe('  nothing to apply\n')
    expect(await sql`select to_regclass('viewkeeper.runs')::text as there`).toEqual([
      { there: 'viewkeeper.runs' },
    ])
  })

  test('down on a database that never was migrated has nothing to undo', async () => {
    const { project } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(await project.succeed('migrate', 'down')).toBe('  nothing to undo\n')
  })
})

describe('without a database', () => {
  const unset =
    'DATABASE_URL is not set. Set it to postgres://user:password@host:5432/database, or name a deployed environment with --env.'
  const unsetForFreeze =
    'DATABASE_URL is not set. Set it to postgres://user:password@host:5432/database, or write --unverified.'

  test('what needs one says so, and what does not works', async () => {
    const project = new Project()
    project.author('sales', 'select 1 as id')
    expect(await project.refused(...freeze())).toBe(unsetForFreeze)
    for (const command of [
      ['check'],
      ['migrate', 'up'],
      ['migrate', 'down'],
      ['migrate', 'status'],
      ['adopt', '--all'],
    ]) {
      expect(await project.refused(...command), command.join(' ')).toBe(unset)
    }
    expect(project.files('migrations')).toEqual([])
    expect(await project.succeed(...freeze('--unverified'))).toContain(
      '✓ public.sales   new   not tried on a database',
    )
    expect(await project.succeed(...freeze())).toContain('nothing has changed')
    expect(await project.succeed('check', '--offline')).toBe(
      '  ✓ 1 view: authored and frozen are the same; no database was read\n',
    )
  })

  test.each([
    [
      'nobody listens there',
      async () => `postgres://me:hunter2@127.0.0.1:${await findFreePort()}/x`,
      /cannot be reached/,
      3,
    ],
    ['the password is wrong', async () => server.url.replace(/:[^:@]+@/, ':hunter2@'), /password/, 3],
    [
      'there is no such database',
      async () => server.url.replace(/[^/]*$/, 'nowhere'),
      /"nowhere" does not exist/,
      3,
    ],
    [
      'the URL is none',
      async () => 'postgres://me:hunter2@127.0.0.1:port/x',
      /DATABASE_URL cannot be used/,
      2,
    ],
    [
      'the URL is of another kind',
      async () => 'mysql://me:hunter2@127.0.0.1/x',
      /does not start with postgres:/,
      2,
    ],
    [
      'the password is no URL',
      async () => 'postgres://me:hunter2%@127.0.0.1/x',
      /DATABASE_URL cannot be used/,
      2,
    ],
  ])('because %s, it is one line without the password', async (_, url, message, exitCode) => {
    const project = new Project()
    project.author('sales', 'select 1 as id')
    const unreachable = await url()
    for (const command of [freeze(), ['migrate', 'up']]) {
      const { code, out, err } = await project.run(command, { url: unreachable })
      expect.soft({ code, out }).toEqual({ code: exitCode, out: '' })
      expect.soft(err).toMatch(message)
      expect.soft(err.trimEnd()).not.toContain('\n')
      expect.soft(err).not.toContain('hunter2')
    }
  })
})

describe('the command line', () => {
  test.each([
    [[], /Usage: viewkeeper/],
    [['freze'], /unknown command 'freze'/],
    [['freeze'], /required option '-m, --message <why>'/],
    [['migrate', 'down', '0'], /Write a number from 1 on/],
    [['migrate', 'down', 'two'], /Write a number from 1 on/],
    [['migrate', 'sideways'], /unknown command 'sideways'/],
    [['freze'], /\(see npx viewkeeper --help\)/],
    [['check', '--jsn'], /unknown option '--jsn'[\s\S]*\(see npx viewkeeper check --help\)/],
    [['migrate', 'up', '--bogus'], /\(see npx viewkeeper migrate up --help\)/],
    [['check', 'sales'], /too many arguments/],
    [['create-role'], /^viewkeeper: DATABASE_URL is not set\. .* administrator\.\n$/],
    [
      ['create-role', '--owner', 'a'],
      /unknown option '--owner'[\s\S]*\(see npx viewkeeper create-role --help\)/,
    ],
  ])('with %j says what is wrong, and fails', async (args, message) => {
    const { code, err } = await new Project().run(args)
    expect(code).toBe(2)
    expect(err).toMatch(message)
  })

  test('tells which version it is', async () => {
    expect(await new Project().succeed('--version')).toBe(`${packageJson.version}\n`)
  })

  test('tells what there is', async () => {
    const help = await new Project().succeed('--help')
    for (const command of ['freeze', 'check', 'migrate', 'adopt', 'create-role', 'test-alarm'])
      expect(help).toContain(command)
  })
})
