import { describe, expect, test } from 'vitest'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

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

  test('leaves names with line breaks alone, says so, and takes the others, whatever schema they are in', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create schema app; create schema "Odd schema";
      create materialized view "Odd\nname" as select 1 as id;
      create materialized view "Odd schema".fine as select 1 as id;
      create materialized view odd_index as select 1 as id; create index "odd\rindex" on odd_index (id);
      create materialized view "Upper" as select 1 as "Id";
      create materialized view app.sales as select 1 as id; create materialized view sales as select 2 as id;
      create materialized view app.test as select 1 as id;
      create materialized view app.d as select 1 as id`)
    const printed = await project.succeed('adopt', '--all')
    expect(printed.match(/without line breaks and other control characters. Rename it first/g)).toHaveLength(
      2,
    )
    expect.soft(printed).toContain('6 views adopted')
    const { out } = await project.run(['check', '--json'])
    expect
      .soft(JSON.parse(out).differences.map(({ view }: { view: string }) => view))
      .toEqual(['public."Odd\nname"', 'public.odd_index'])
    expect.soft((await project.run(['check', '--ignore-unmanaged'])).code).toBe(0)
  })

  test('some takes these, as SQL reads their names, and leaves those that are authored already', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create schema app; create materialized view app.sales as select 1 as id; create materialized view "Sales" as select 1 as id;
      create materialized view other as select 1 as id`)
    await project.succeed('adopt', 'APP.sales', '"Sales"')
    expect(project.files('views')).toEqual(['+sales.sql', '+sales.ts', 'app'])
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
