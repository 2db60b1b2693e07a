import { describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { planRemoval } from '../../../src/own-schema/uninstall.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database } from '../../../src/server/database.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { liveMark } from '../../../src/sql/names.ts'
import { define, updateRows } from '../../support/record/rows.ts'
import { schemaFolder } from '../../support/servers/database.ts'
import { oneRoleDatabase, type RdsDatabase, useRds } from '../../support/servers/rds.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const fresh = useRds()
const folder = useFolders()

const remove = (database: Database) =>
  database.withConnection(
    async (sql) => {
      const removal = await planRemoval(sql, ['keeper_app'], { giveTo: 'master', dropDependents: false })
      await sql.unsafe(`begin; ${removal.statements.join(';\n')}; commit`)
      return removal
    },
    { writes: true },
  )

test('what was made in one database goes with its grants, logs and triggers; another one of that server works on, until it takes the roles along', async () => {
  const rds = await fresh()
  await oneRoleDatabase(rds)
  await rds.sql`create database other owner master`
  await rds.sql`revoke connect on database other from public`
  const there = (login: string) => {
    const url = new URL(rds.as(login).url)
    url.pathname = '/other'
    return connectTo(fromUrl(url.href))
  }
  const request = { login: 'keeper_app', password: 'hunter2', owners: null, ownViews: null }
  for (const database of [rds.as('master').database, there('master')])
    await database.withConnection((sql) => createRole(sql, schemaFolder, request), { writes: true })
  for (const database of [rds.as('keeper_app').database, there('keeper_app')])
    await migrate(database, schemaFolder)
  await rds.sql.unsafe(`
    set role app_owner;
    create view shop.query as select customer, count(*) as n from shop.orders group by 1;
    create materialized view shop.counts as select customer, n from shop.query;
    grant usage, create on schema shop to viewkeeper_views; grant select (id), update on shop.orders to viewkeeper_views;
    create function shop.f() returns int return 1; grant execute on function shop.f to keeper_app;
    create sequence shop.s; grant usage on sequence shop.s to keeper_app; create domain shop.d as int; grant usage on domain shop.d to keeper_app;
    reset role;
    create materialized view shop.kept as select id from shop.orders; alter materialized view shop.kept owner to viewkeeper_views`)
  const [{ oid }] = await rds.sql<[{ oid: number }]>`select 'shop.counts'::regclass::oid::int as oid`
  const log = await planLog(rds.sql, { oid, schema: 'shop', name: 'counts' }, 'customer')
  for (const statement of makeLog(log)) await rds.sql.unsafe(statement)
  const triggers = () => rds.sql`select from pg_trigger where not tgisinternal`
  expect((await triggers()).length).toBeGreaterThan(0)

  const first = await remove(rds.as('master').database)
  expect(first.left).toEqual([
    'other of this server uses keeper_app, viewkeeper, viewkeeper_views, too: the roles stay. The last uninstall drops them.',
  ])
  expect(await triggers()).toHaveLength(0)
  expect(
    await rds.sql`
      select from pg_shdepend where refobjid in ('keeper_app'::regrole, 'viewkeeper'::regrole, 'viewkeeper_views'::regrole)
         and (dbid = (select oid from pg_database where datname = 'app') or objid = (select oid from pg_database where datname = 'app'))`,
  ).toHaveLength(0)
  expect(await rds.sql`select nspname from pg_namespace where nspname like 'viewkeeper%'`).toHaveLength(0)
  expect(await rds.sql`select matviewowner from pg_matviews where matviewname = 'kept'`).toEqual([
    { matviewowner: 'master' },
  ])
  await rds.run(
    'app_owner',
    'insert into shop.orders values (99, 1, 1); refresh materialized view shop.counts',
  )
  await there('keeper_app').withConnection((sql) => sql`select from viewkeeper.runs`)

  expect((await remove(there('master'))).left).toEqual([])
  expect(
    await rds.sql`select from pg_roles where rolname like any (array['viewkeeper%', 'keeper%'])`,
  ).toHaveLength(0)
  await rds.sql`drop database other with (force)`
})

describe('what others have', () => {
  /** A database with schema viewkeeper. */
  async function used() {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    const request = { login: 'keeper_app', password: 'hunter2', owners: null, ownViews: null }
    await rds.as('master').database.withConnection((sql) => createRole(sql, schemaFolder, request))
    await migrate(rds.as('keeper_app').database, schemaFolder)
    return rds
  }
  const plan = (
    rds: RdsDatabase,
    more: { giveTo?: string | null; dropDependents?: boolean; asViews?: boolean },
  ) =>
    rds
      .as('master')
      .database.withConnection((sql) =>
        planRemoval(sql, ['keeper_app'], { giveTo: 'master', dropDependents: false, ...more }),
      )

  test('made of the schema is listed, and is dropped only if that is asked for', async () => {
    const rds = await used()
    await rds.sql.unsafe(`
      grant usage on schema viewkeeper to app_owner; grant select on viewkeeper.freshness to app_owner; set role app_owner;
      create view shop.shown as select *, viewkeeper.as_of('shop.sales') as at from shop.sales;
      create view shop.above as select at from shop.shown;
      create materialized view shop."Kept" as select viewkeeper.as_of('shop.sales') as at;
      create table shop.plain (id int, at timestamptz default viewkeeper.as_of('shop.sales'));
      create function shop.fr() returns timestamptz language sql begin atomic select viewkeeper.as_of('shop.sales'); end;
      create view shop.fresh as select * from viewkeeper.freshness; create function shop.takes(viewkeeper.runs) returns int return 1; reset role`)
    const refusal = await refusalOf(plan(rds, {}))
    expect(refusal.message.split('\n').filter((line) => line.startsWith('  '))).toEqual([
      '  default value for column at of table shop.plain',
      '  function shop.fr()',
      '  function shop.takes(viewkeeper.runs)',
      '  materialized view shop."Kept"',
      '  view shop.above',
      '  view shop.fresh',
      '  view shop.shown',
    ])
    const { statements } = await plan(rds, { dropDependents: true })
    expect(statements).toContain('drop schema viewkeeper cascade')
    await rds.sql.unsafe(
      `drop view shop.fresh, shop.shown cascade; drop materialized view shop."Kept"; drop table shop.plain; drop function shop.fr, shop.takes`,
    )
    expect((await plan(rds, {})).statements).toEqual(statements)
  })

  test('goes to whom the definition names, or to the role that is named, and never to a superuser or to nobody', async () => {
    const rds = await used()
    expect((await plan(rds, { giveTo: null })).statements.join()).not.toContain('reassign')
    await rds.sql.unsafe(`
      create role alice; grant alice to master with admin option; grant usage, create on schema shop to alice;
      create materialized view shop.hers as select 1 as id; alter materialized view shop.hers owner to viewkeeper_views;
      create materialized view shop.ours as select 1 as id; alter materialized view shop.ours owner to viewkeeper_views`)
    await define(rds.sql, 'shop.hers', { sql: 'select 1 as id' })
    await updateRows(rds.sql, 'definitions', { view: 'shop.hers' }, { owner: 'alice' })
    await expect(
      planRemoval(rds.sql, ['keeper_app'], { giveTo: null, dropDependents: false }),
    ).rejects.toThrow(
      "materialized view shop.ours belongs to Viewkeeper's roles. Nothing was changed. Name the role that gets it in --give-to",
    )
    await expect(plan(rds, { giveTo: 'postgres' })).rejects.toThrow('postgres is a superuser')
    await expect(plan(rds, { giveTo: 'viewkeeper' })).rejects.toThrow("is one of Viewkeeper's own roles")
    await expect(plan(rds, { giveTo: 'nobody' })).rejects.toThrow('nobody is no role')
    await remove(rds.as('master').database)
    expect(
      await rds.sql`select matviewname as name, matviewowner as owner from pg_matviews where matviewname in ('hers', 'ours') order by 1`,
    ).toEqual([
      { name: 'hers', owner: 'alice' },
      { name: 'ours', owner: 'master' },
    ])
  })

  test.each(['before', 'after'])(
    'was given away %s the schema was made, and goes back to who gave it, also under another name',
    async (when) => {
      const rds = await fresh()
      await oneRoleDatabase(rds, 'master')
      const request = { login: 'keeper_app', password: 'hunter2', owners: ['nobody'], ownViews: null }
      const make = (more: object) =>
        rds
          .as('master')
          .database.withConnection((sql) => createRole(sql, schemaFolder, { ...request, ...more }))
      if (when === 'after') {
        await make({})
        await migrate(rds.as('keeper_app').database, schemaFolder)
      }
      await make({ owners: null, ownViews: 'give' })
      await migrate(rds.as('keeper_app').database, schemaFolder)
      const owners = async () => {
        const views = await rds.sql<{ name: string; owner: string }[]>`
          select matviewname as name, matviewowner as owner from pg_matviews`
        return Object.fromEntries(views.map(({ name, owner }) => [name, owner]))
      }
      expect(await owners()).toEqual({ sales: 'viewkeeper_views', days: 'viewkeeper_views' })
      expect(
        await rds.sql`select distinct nspowner::regrole::text as owner from pg_namespace where nspname = 'viewkeeper'`,
      ).toEqual([{ owner: 'viewkeeper' }])
      await rds.sql.unsafe(`
      create role alice; grant alice to master with admin option; grant usage, create on schema shop to alice;
      create materialized view shop.ours as select 1 as id; alter materialized view shop.ours owner to viewkeeper_views;
      drop view shop.best; alter materialized view shop.sales rename to sold`)
      await updateRows(rds.sql, 'definitions', { view: 'shop.sales' }, { name: 'sold' })
      const statements = (await plan(rds, { giveTo: 'alice' })).statements
      await rds.as('master').database.withConnection((sql) => sql.unsafe(statements.join(';')))
      expect(await owners()).toEqual({ sold: 'master', days: 'master', ours: 'alice' })
    },
  )

  test('is executed as its owner alone when incremental tables become materialized views', async () => {
    const rds = await used()
    await rds.sql.unsafe(`
      create role alice; grant alice to master with admin option; grant usage, create on schema shop to alice;
      create table public.loot (who name); grant insert on public.loot to public;
      set role alice;
      create function shop.evil(v int) returns boolean language plpgsql as 'begin return true; end';
      create domain shop.checked as int check (shop.evil(value));
      create view shop.bad_query as select 1 as id, '{1,2}'::shop.checked[] as v;
      create table shop.bad as table shop.bad_query;
      create index bad_odd on shop.bad (id) where v <> '{3}'::shop.checked[];
      create or replace function shop.evil(v int) returns boolean language plpgsql as $$
      begin
        begin execute 'reset role'; exception when others then null; end;
        insert into public.loot values (current_user);
        return true;
      end $$; reset role`)
    await define(rds.sql, 'shop.bad', { sql: 'select 1 as id', storage: 'table' })
    const { statements } = await plan(rds, { asViews: true })
    await rds.run('master', `begin; ${statements.join(';\n')}; commit`)
    expect(await rds.sql`select relkind from pg_class where oid = 'shop.bad'::regclass`).toEqual([
      { relkind: 'm' },
    ])
    expect(await rds.sql`select distinct who from public.loot`).toEqual([{ who: 'alice' }])
  })

  test('is an incremental table that is named, and becomes a materialized view again with rows, indexes, grants and comments', async () => {
    const rds = await used()
    await rds.sql.unsafe(`
      grant usage, create on schema shop to viewkeeper_views; grant select on shop.orders to viewkeeper_views;
      create schema viewkeeper_before; create role reader`)
    const sql = 'select customer, count(*) as n from shop.orders group by customer'
    const migrations = await folder('incremental')
    await migrations.freeze([
      definition('daily', sql, {
        schema: 'shop',
        storage: 'table',
        comment: "each customer's",
        indexes: [{ name: 'daily_key', unique: true, on: '(customer)' }],
        grants: [{ privileges: ['select'], to: 'reader', grantOption: false }],
      }),
    ])
    await migrateUp(migrateCall(rds.as('keeper_app').database), await migrations.read())
    await rds.sql`comment on column shop.daily.n is 'orders'`
    await rds.sql`grant select (n) on shop.daily to public`
    const older =
      'Schema viewkeeper_before is of an older version, and stays. If nobody needs it: drop schema viewkeeper_before cascade'
    expect((await plan(rds, {})).left).toEqual([
      'shop.daily is an incremental table, and stays a table that nothing refreshes. --as-views makes it a materialized view again, with its indexes, grants and comments.',
      older,
    ])
    await rds.sql`create view shop.shown as select n from shop.daily`
    const hindered = await plan(rds, { asViews: true })
    expect(hindered.left[0]).toContain(
      'It does not become a materialized view again, because of view shop.shown.',
    )
    expect(hindered.statements.join()).not.toContain('create materialized view')
    await rds.sql`drop view shop.shown`

    await rds.sql.unsafe(`
      create view shop.daily_live as select d.* from shop.daily d where viewkeeper.not_exact('shop.daily');
      comment on view shop.daily_live is '${liveMark}'; create view shop.shown as select n from shop.daily_live`)
    expect(await refusalOf(plan(rds, { asViews: true }))).toMatchObject({
      message: expect.stringMatching(/dropped with them:\n\n {2}view shop\.shown\n\nNothing/),
    })
    await rds.sql`drop view shop.shown`

    const rows = await rds.sql`select * from shop.daily order by customer`
    expect(rows.length).toBeGreaterThan(0)
    const { statements, left } = await plan(rds, { asViews: true })
    expect(left).toEqual([older])
    await rds.run('master', `begin; ${statements.join(';\n')}; commit`)
    expect(await rds.sql`select * from shop.daily order by customer`).toEqual(rows)
    const [view] = await rds.sql`
      select relkind as kind, relowner::regrole::text as owner, obj_description(oid) as comment, col_description(oid, 2) as column,
             has_table_privilege('reader', oid, 'select') as reads, coalesce(to_regclass('shop.daily_query'), to_regclass('shop.daily_live')) as query,
             (select attacl::text from pg_attribute where attrelid = c.oid and attname = 'n') as columns
        from pg_class c where oid = 'shop.daily'::regclass`
    expect(view).toEqual({
      kind: 'm',
      owner: 'master',
      comment: "each customer's",
      column: 'orders',
      reads: true,
      query: null,
      columns: '{=r/master}',
    })
    await rds.run(
      'app_owner',
      'grant usage on schema shop to master; grant select on shop.orders to master; insert into shop.orders values (99, 1, 1)',
    )
    await rds.run('master', 'refresh materialized view concurrently shop.daily')
    expect(await rds.sql`select * from shop.daily order by customer`).not.toEqual(rows)
  })
})
