import { describe, expect, onTestFinished, test } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { administrator } from '../../support/servers/database.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

describe('adopting', () => {
  test(
    'twenty views leaves the database as it is; the next check and deploy find nothing to do',
    deep,
    async () => {
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
      expect(printed).toMatch(
        /next, in this order:\n\n.*migrate up .*\n.*drift .*\n.*refresh --all .*nobody knows how old/,
      )
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
      expect(await project.succeed('drift')).toMatch(
        /✓ 20 views: authored, frozen and live are the same\n {2}not applied/,
      )
      expect(await project.succeed('adopt', '--all')).toContain('nothing to adopt; nothing was written')
      expect((await project.succeed('migrate', 'up')).match(/ {3}recorded\n/g)).toHaveLength(20)
      expect(await project.succeed(...freeze())).toContain('nothing has changed')
      expect(await project.succeed('drift')).toBe('  ✓ 20 views: authored, frozen and live are the same\n')
      expect(
        (await project.succeed('migrate', 'down', '20', '--yes')).match(/ {3}record removed\n/g),
      ).toHaveLength(20)
      const views = (catalog: Record<string, string[]>) =>
        catalog.pg_class?.filter((row) => row.includes('"adopted_')).toSorted()
      expect(views(await wholeCatalog(sql))).toEqual(views(before))
    },
  )

  test(
    'leaves names with line breaks alone, says so, and takes the others, whatever schema they are in',
    deep,
    async () => {
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
      expect(
        printed.match(/without line breaks and other control characters. Rename it first/g),
      ).toHaveLength(2)
      expect.soft(printed).toContain('6 views adopted')
      const { out } = await project.run(['drift', '--json'])
      expect
        .soft(JSON.parse(out).differences.map(({ view }: { view: string }) => view))
        .toEqual(['public.U&"Odd\\000Aname"', 'public.odd_index'])
      expect.soft((await project.run(['drift', '--ignore-unmanaged'])).code).toBe(0)
    },
  )

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

  test('of what is not there, or of nothing, or in the way of a file, writes nothing', deep, async () => {
    const { project, sql } = await start()
    await sql.unsafe(
      'create materialized view sales as select 1 as id; create materialized view other as select 1 as id',
    )
    expect(await project.refused('adopt', 'sales', 'nothing')).toContain('public.nothing')
    expect(await project.refused('adopt', 'orders')).toContain('public.orders is a table')
    for (const named of [[], ['sales', '--all']])
      expect(await project.refused('adopt', ...named)).toMatch(
        /^Either name the views to adopt, or write --all/,
      )
    expect(project.files('views')).toEqual([])
    project.write('views/sales.sql', 'select 3 as id\n')
    expect.soft(await project.refused('adopt', 'other', 'sales')).toContain('views/sales.sql')
    expect(project.files('views')).toEqual(['sales.sql'])
    expect(project.files('migrations')).toEqual([])
    project.remove('views/sales.sql')
    expect(await project.succeed('adopt', 'sales', 'sales')).toContain('1 view adopted')
  })

  test(
    'takes views and plain views in an order in which they can be made, and they are made anew from migrations alone',
    deep,
    async () => {
      const { project, sql, url } = await start()
      await sql.unsafe(`
      create role plain_owner; create role plain_reader; grant all on schema public to plain_owner;
      create materialized view zzz as select id from orders;
      create materialized view aaa as select id from zzz;
      create view vv as select id, '$view$' as tag from zzz;
      create view "on it" with (security_barrier) as select id from vv;
      comment on view "on it" is 'the "ids"; all of them'; comment on column "on it".id is 'key';
      grant select on "on it" to plain_reader;
      alter view "on it" owner to plain_owner; grant select on vv to plain_owner;
      create materialized view bbb as select id from "on it", pg_catalog.pg_tables;
      create materialized view ccc as select id from vv;
      create view report as select count(*) as n from bbb, ccc;
      create view unrelated as select id from orders`)
      const printed = await project.succeed('adopt', '--all', '--trust', 'plain_owner')
      expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
        '001_zzz.up.sql',
        '002_aaa.up.sql',
        '003_vv.up.sql',
        '004_on@20it.up.sql',
        '005_bbb.up.sql',
        '006_ccc.up.sql',
        '007_report.up.sql',
      ])
      expect(printed).toContain('  ✓ plain view public."on it"   as own SQL\n')
      const views = (of: Sql) => of`
      select c.relname, c.relkind, c.relowner::regrole::text as owner, c.reloptions, pg_get_viewdef(c.oid) as query,
             obj_description(c.oid, 'pg_class') as comment, col_description(c.oid, 1) as key, c.relispopulated,
             array(select unnest(c.relacl)::text order by 1) as acl
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('m', 'v') and c.relname <> 'unrelated'
       order by c.relname`
      const before = await views(sql)
      await project.succeed('migrate', 'up')
      expect(await views(sql)).toEqual(before)
      expect(await project.succeed('drift')).toContain('4 views: authored, frozen and live are the same')

      const fresh = new URL(url)
      fresh.pathname += '_anew'
      await sql.unsafe(`create database ${fresh.pathname.slice(1)}`)
      const other = administrator(fresh.href)
      onTestFinished(() => other.end({ timeout: 1 }))
      await other.unsafe(`
      create table orders as select 1 as id, 1 as shop, 1 as total; grant all on schema public to plain_owner`)
      expect(await project.run(['migrate', 'up'], { url: fresh.href })).toMatchObject({ code: 0 })
      const made = await views(other)
      // A superuser owns no view that a migration makes.
      const unowned = (rows: typeof made) =>
        rows.map(({ owner, acl, ...row }) => (owner === 'plain_owner' ? { owner, acl, ...row } : row))
      expect(unowned(made)).toEqual(unowned(before))
      expect(await project.run(['migrate', 'down', '7', '--yes'], { url: fresh.href })).toMatchObject({
        code: 0,
      })
      expect(await views(other)).toHaveLength(7)
    },
  )

  eachCase(
    [
      [
        'of a role that is not trusted, because own SQL is not sealed',
        'create role "Other one"; create view theirs as select id from low; alter view theirs owner to "Other one"',
        /! plain view public\.theirs is not part of the migrations: .* "Other one", .*--trust 'Other one'\n/,
      ],
      [
        'whose name has a line break',
        'create view "odd\n; drop table orders; --" as select id from low',
        /! plain view .* is not part of the migrations: .* line breaks/,
      ],
    ],
    { quick: 1 },
  )('leaves a plain view %s, and says so', async (_, made, message) => {
    const { project, sql } = await start()
    await sql.unsafe(`create materialized view low as select id from orders; ${made}`)
    expect(await project.succeed('adopt', '--all')).toMatch(message)
    expect(project.files('migrations')).toEqual(['001_low.down.sql', '001_low.up.sql'])
  })

  test('some takes them in the order that views between them make', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      create materialized view low as select id from orders; create materialized view between as select id from low;
      create materialized view above as select id from between`)
    await project.succeed('adopt', 'above', 'low')
    expect(project.files('migrations')).toContain('001_low.up.sql')
  })
})
