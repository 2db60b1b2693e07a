import { beforeEach, describe, expect, test } from 'vitest'
import { eachCase } from '../../support/deep.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { useDaily } from '../../support/slices/daily.ts'

const { database, sql } = useDatabase()
const { make, slicesRefreshed } = useDaily({ database, sql }, 'k')
const computes = () => slicesRefreshed(/^computes all/)

/** Orders of ten days, by keys and products of types that somebody else has. */
beforeEach(async () => {
  await emptyTables(sql, 'runs', 'definitions')
  await sql.unsafe(`
    drop schema if exists viewkeeper_logs, app, types cascade; create schema app; create schema types; create table types.loot (who name);
    create type types.kind as enum ('a', 'b', 'c'); create domain types.nr as int; create domain types.word as text;
    create table app.orders (id int primary key, kind types.kind, nr types.nr, word types.word, amount int not null default 1);
    create table app.kinds (kind types.kind, nr types.nr, word types.word, name text);
    create index on app.orders (kind); create index on app.orders (nr); create index on app.orders (word);
    insert into app.orders select i, (enum_range(null::types.kind))[1 + i % 3], i % 3, 'w' || i % 3 from generate_series(1, 9) i;
    insert into app.kinds select kind, nr, word, 'n' || nr from app.orders where id < 4`)
})

const byColumn = (column: string) =>
  `select ${column} as k, count(*) as n, sum(amount) as amount from app.orders group by 1`
const joined = (column: string) =>
  `select o.amount as k, max(i.name) as name from app.orders o join app.kinds i on i.${column} = o.${column} group by 1`

/** What its owner makes of a type under its name. */
const replaced: [column: string, type: string, anew: string, value: string][] = [
  ['kind', 'kind', "type types.kind as enum ('x', 'y')", "'x'"],
  ['kind', 'kind', 'domain types.kind as text', "'x'"],
  ['kind', 'kind', 'type types.kind as (one int, other text)', "'(1,)'"],
  ['kind', 'kind', 'type types.kind as range (subtype = int)', "'[1,2]'"],
  ['nr', 'nr', 'domain types.nr as text', "'x'"],
  ['nr', 'nr', 'domain types.nr as numeric', '1.5'],
  ['nr', 'nr', 'domain types.nr as int[]', "'{1,2}'"],
  ['word', 'word', "type types.word as enum ('x', 'y')", "'x'"],
]

describe.each([
  ['keys', byColumn, 'app.orders'],
  ['joined rows', joined, 'app.kinds'],
])('no writer fails, and all slices are computed, if of %s', (_, query, table) => {
  eachCase(replaced, { quick: 3 })(
    'the column %s is another one, and its type, too: %s is now %s',
    async (column, type, anew, value) => {
      await make(query(column))
      await sql.unsafe(`
        alter table ${table} rename ${column} to before; alter type types.${type} rename to former; create ${anew}; alter table ${table} add ${column} types.${type}`)
      await sql.unsafe(`update ${table} set ${column} = ${value}`)
      expect(await computes()).toBe('all')
      await sql.unsafe(`update ${table} set ${column} = null`)
      await sql.unsafe(`update ${table} set ${column} = ${value} where false`)
      await sql.unsafe(`truncate ${table}`)
      expect(await computes()).toBe('all')
    },
  )

  test('the type is dropped, and with it the column of the log', async () => {
    await make(query('kind'))
    await sql.unsafe(`
      drop view app.daily_query cascade; alter table app.kinds alter kind type text; alter table app.orders alter kind type text; drop type types.kind cascade`)
    await sql.unsafe(
      `insert into ${table} (${table === 'app.orders' ? 'id, ' : ''}kind) values (${table === 'app.orders' ? '10, ' : ''}'a')`,
    )
    await sql.unsafe(`update ${table} set kind = 'b'; delete from ${table}; truncate ${table}`)
  })
})

test('nothing that the owner of a type has made is executed as the owner of the table', async () => {
  await sql.unsafe(`
    do $$ begin create role replaced_owner; exception when duplicate_object then null; end $$;
    grant usage, create on schema app to replaced_owner; grant usage on schema types to public; grant insert on types.loot to public; alter table app.orders owner to replaced_owner`)
  try {
    await make(byColumn('kind'))
    await sql.unsafe(`
      create function types.loot(text) returns boolean language plpgsql as $$ begin insert into types.loot values (current_user); return true; end $$;
      create function types.text(types.kind) returns text language plpgsql as $$ begin perform types.loot(''); return 'a'; end $$;
      create function types.kind(text) returns types.kind language plpgsql as $$ begin perform types.loot(''); return enum_first(null::types.kind); end $$;
      create cast (types.kind as text) with function types.text(types.kind) as assignment; create cast (text as types.kind) with function types.kind(text) as assignment;
      alter type types.kind rename to former; create domain types.kind as types.former check (types.loot(concat(value)))`)
    await sql`update app.orders set amount = 2`
    await sql.unsafe(
      `alter table app.orders rename kind to before; alter table app.orders add kind types.kind`,
    )
    await sql`update app.orders set kind = 'a'`
    expect(await sql`select distinct who from types.loot`).toEqual([{ who: 'postgres' }])
    expect(await computes()).toBe('all')
  } finally {
    await sql.unsafe('drop owned by replaced_owner cascade; drop role replaced_owner')
  }
})
