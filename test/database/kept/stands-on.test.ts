import type { AlterTableType } from 'libpg-query'
import { beforeEach, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()

const request = async () => {
  const { status, error } = await refresh({ view: 'app.daily' }, callOn(database))
  return error === null || error === undefined ? status : `${error.class}: ${error.message}`
}
const differences = async () =>
  (
    await sql.unsafe(
      `(table app.daily except all table app.daily_query) union all (table app.daily_query except all table app.daily)`,
    )
  ).length

beforeEach(() =>
  sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.orders (day date, n int); insert into app.orders select date '2026-11-01' + i % 5, i from generate_series(1, 50) i;
    ${makeKept('app.daily', 'select day, count(*) as n, sum(n) as total, max(n) as most from app.orders group by day')};
    create unique index daily_key on app.daily (day);
    create table app.parent (day date, n bigint, total bigint, most int); create table app.parts (like app.parent) partition by range (day);
    create type app.like_daily as (day date, n bigint, total bigint, most int);
    create function app.hears() returns trigger language plpgsql as $$ begin return null; end $$;
    create function app.changes() returns trigger language plpgsql as $$ begin new.n := 0; return new; end $$`),
)

const rule = 'create rule other as on update to app.daily do also select 1'
const before = 'create trigger before before update on app.daily for each row execute function app.changes()'
const after = 'create trigger after after update on app.daily for each row execute function app.hears()'
const notes = 'create table app.notes (day date constraint noted references app.daily (day))'
const alter = (action: string) => `alter table app.daily ${action}`

/** What an action does to a refresh: nothing, or it is refused, or fails, with these words. `null`: the server has no such action for a table, or none that is written. */
const actions: Record<AlterTableType, readonly (readonly [sql: string, says?: RegExp])[] | null> = {
  AT_AddColumn: [[alter('add column more int'), /other columns than the table/]],
  AT_AddColumnToView: null,
  AT_ColumnDefault: [[alter('alter n set default 3')]],
  AT_CookedColumnDefault: null,
  AT_DropNotNull: [[alter('alter n set not null, alter n drop not null')]],
  AT_SetNotNull: [[alter('alter n set not null')]],
  AT_SetExpression: null,
  AT_DropExpression: null,
  AT_SetStatistics: [[alter('alter n set statistics 10')]],
  AT_SetOptions: [[alter('alter n set (n_distinct = 3)')]],
  AT_ResetOptions: [[alter('alter n reset (n_distinct)')]],
  AT_SetStorage: [[alter('alter total set storage plain')]],
  AT_SetCompression: null,
  AT_DropColumn: [
    [alter('drop column n'), /other columns than the table/],
    [
      alter('drop column most, add column most int generated always as (0) stored'),
      /the server computes its column most: alter table app\.daily alter column most drop expression/,
    ],
  ],
  AT_AddIndex: [[alter('add unique (n, day)')]],
  AT_ReAddIndex: null,
  AT_AddConstraint: [
    [
      alter('add constraint few check (n < 11) not valid'),
      /^TableRefused: check violation in constraint few of app\.daily$/,
    ],
    [
      alter('add constraint known foreign key (day) references app.days'),
      /^TableRefused: foreign key violation in foreign key known of app\.daily$/,
    ],
    [
      alter('add constraint known foreign key (day) references app.days on delete cascade'),
      /foreign key known of it writes its rows when app\.days is written/,
    ],
    [
      alter('add constraint known foreign key (day) references app.days initially deferred'),
      /its foreign key known of app\.daily is deferred/,
    ],
    [alter('add constraint one unique (n, day) initially deferred'), /its constraint one is deferred/],
    [
      `${notes}; insert into app.notes values ('2026-11-01'); delete from app.orders where day = '2026-11-01'`,
      /^TableRefused: foreign key violation in foreign key noted of app\.notes$/,
    ],
    [
      `${notes.replace(')', ') on delete restrict')}; insert into app.notes values ('2026-11-01'); delete from app.orders where day = '2026-11-01'`,
      /^TableRefused: .* in foreign key noted of app\.notes$/,
    ],
    [
      `${notes.slice(0, -1)} deferrable initially deferred)`,
      /its foreign key noted of app\.notes is deferred/,
    ],
    [
      `${notes.slice(0, -1)} on update set null)`,
      /foreign key noted of app\.notes could change or delete rows there/,
    ],
  ],
  AT_ReAddConstraint: null,
  AT_ReAddDomainConstraint: null,
  AT_AlterConstraint: [
    [
      alter(
        'add constraint known foreign key (day) references app.days; alter table app.daily alter constraint known deferrable initially deferred',
      ),
      /its foreign key known of app\.daily is deferred/,
    ],
  ],
  AT_ValidateConstraint: [
    [
      alter(
        'add constraint positive check (n > 0) not valid; alter table app.daily validate constraint positive',
      ),
    ],
  ],
  AT_AddIndexConstraint: [[alter('add unique using index daily_key')]],
  AT_DropConstraint: [
    [alter('add constraint none check (n < 0) not valid; alter table app.daily drop constraint none')],
  ],
  AT_ReAddComment: null,
  AT_AlterColumnType: [
    [alter('alter n type numeric'), /Type: alter table "app"\."daily" alter column n type bigint/],
  ],
  AT_AlterColumnGenericOptions: null,
  AT_ChangeOwner: [[alter('owner to pg_monitor'), /^UnknownView/]],
  AT_ClusterOn: [[alter('cluster on daily_key')]],
  AT_DropCluster: [[alter('set without cluster')]],
  AT_SetLogged: [[alter('set unlogged; alter table app.daily set logged')]],
  AT_SetUnLogged: [
    [alter('set unlogged'), /it is unlogged, and empty after a crash: alter table app\.daily set logged/],
  ],
  AT_DropOids: [[alter('set without oids')]],
  AT_SetAccessMethod: [[alter('set access method heap')]],
  AT_SetTableSpace: [[alter('set tablespace pg_default')]],
  AT_SetRelOptions: [[alter('set (fillfactor = 50)')]],
  AT_ResetRelOptions: [[alter('reset (fillfactor)')]],
  AT_ReplaceRelOptions: null,
  AT_EnableTrig: [
    [
      `${before}; ${alter('disable trigger before, enable trigger before')}`,
      /its trigger before fires before rows are written/,
    ],
  ],
  AT_EnableAlwaysTrig: [[`${before}; ${alter('enable always trigger before')}`, /disable trigger before$/]],
  AT_EnableReplicaTrig: [[`${before}; ${alter('enable replica trigger before')}`, /its trigger before/]],
  AT_DisableTrig: [[`${before}; ${alter('disable trigger before')}`], [after]],
  AT_EnableTrigAll: [
    [
      `${before}; ${alter('disable trigger all; alter table app.daily enable trigger all')}`,
      /its trigger before/,
    ],
  ],
  AT_DisableTrigAll: [[`${before}; ${alter('disable trigger all')}`]],
  AT_EnableTrigUser: [[`${before}; ${alter('enable trigger user')}`, /its trigger before/]],
  AT_DisableTrigUser: [[`${before}; ${alter('disable trigger user')}`]],
  AT_EnableRule: [[`${rule}; ${alter('enable rule other')}`, /it has rules/]],
  AT_EnableAlwaysRule: [[`${rule}; ${alter('enable always rule other')}`, /it has rules/]],
  AT_EnableReplicaRule: [[`${rule}; ${alter('enable replica rule other')}`, /it has rules/]],
  AT_DisableRule: [[`${rule}; ${alter('disable rule other')}`, /it has rules/]],
  AT_AddInherit: [
    [alter('inherit app.parent'), /it inherits, or is inherited from/],
    ['create table app.child () inherits (app.daily)', /it inherits, or is inherited from/],
  ],
  AT_DropInherit: [[alter('inherit app.parent; alter table app.daily no inherit app.parent')]],
  AT_AddOf: [[alter('of app.like_daily')]],
  AT_DropOf: [[alter('of app.like_daily; alter table app.daily not of')]],
  AT_ReplicaIdentity: [
    [alter('replica identity nothing')],
    [
      `${alter('replica identity default')}; create publication all_rows for table app.daily`,
      /it is published, and has no replica identity/,
    ],
  ],
  AT_EnableRowSecurity: [[alter('enable row level security')]],
  AT_DisableRowSecurity: [[alter('disable row level security')]],
  AT_ForceRowSecurity: [
    [
      alter('enable row level security, force row level security'),
      /it forces its policies on its owner, \w+, who writes its rows: alter table app\.daily no force row level security/,
    ],
  ],
  AT_NoForceRowSecurity: [[alter('force row level security, no force row level security')]],
  AT_GenericOptions: null,
  AT_AttachPartition: [
    [
      `alter table app.parts attach partition app.daily for values from ('2020-01-01') to ('2030-01-01')`,
      /it inherits, or is inherited from/,
    ],
  ],
  AT_DetachPartition: [
    [
      `alter table app.parts attach partition app.daily for values from ('2020-01-01') to ('2030-01-01'); alter table app.parts detach partition app.daily`,
    ],
  ],
  AT_DetachPartitionFinalize: null,
  AT_AddIdentity: [
    [
      alter('alter n set not null, alter n add generated always as identity'),
      /the server computes its column n: alter table app\.daily alter column n drop identity/,
    ],
    [alter('alter n set not null, alter n add generated by default as identity')],
  ],
  AT_SetIdentity: [
    [
      alter(
        'alter n set not null, alter n add generated by default as identity; alter table app.daily alter n set generated always',
      ),
      /drop identity/,
    ],
  ],
  AT_DropIdentity: [
    [
      alter(
        'alter n set not null, alter n add generated always as identity; alter table app.daily alter n drop identity',
      ),
    ],
  ],
  AT_ReAddStatistics: null,
}

describe('after any action of alter table, a refresh writes what the query gives, or says why not', () => {
  test.each(
    Object.entries(actions).flatMap(([action, cases]) =>
      (cases ?? []).map(([change, says]) => [action, change, says] as const),
    ),
  )('%s: %s', async (_, change, says) => {
    await sql.unsafe(
      `create table app.days (day date primary key); insert into app.days select distinct day from app.orders`,
    )
    expect(await request()).toBe('updated')
    await sql.unsafe(change)
    await sql.unsafe(
      `update app.orders set n = n + 1; insert into app.orders values ('2026-11-02', 1), ('2027-01-01', 1)`,
    )
    const answer = await request().catch((error) => `${error.code}: ${error.message}`)
    if (says === undefined) {
      expect(answer).toBe('updated')
      expect(await differences()).toBe(0)
    } else expect(answer).toMatch(says)
  })

  test('and once it is unlogged, its age is unknown: the server empties it after a crash', async () => {
    const age = async () =>
      (await sql`select as_of from viewkeeper.view_status where name = 'daily'`)[0]?.as_of
    await request()
    expect(await age()).toBeInstanceOf(Date)
    await sql.unsafe(alter('set unlogged'))
    expect(await age()).toBeNull()
    await request()
    expect(await age()).toBeNull()
  })

  test('and what a trigger of the table raises is told with its name', async () => {
    await sql.unsafe(`
      create function app.fails() returns trigger language plpgsql as $$ begin raise 'secret %', new.n; end $$;
      create trigger "Fails" after insert on app.daily for each row execute function app.fails()`)
    expect(await request()).toBe(
      'TableRefused: a function raised an exception in trigger "Fails" of app.daily',
    )
  })
})
