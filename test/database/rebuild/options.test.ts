import { expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'

const { database, sql } = useDatabase()

const options = () =>
  sql`select relname, reloptions from pg_class where relnamespace = 'decoded'::regnamespace and reloptions is not null order by 1`

test('locks that are taken leave every option of tables and views as it is', async () => {
  await sql.unsafe(`
    create schema decoded;
    create table decoded.rules (id int primary key, v int) with (user_catalog_table = true);
    create materialized view decoded.marked with (user_catalog_table = false, fillfactor = 80) as select id, v from decoded.rules;
    create unique index on decoded.marked (id);
    create view decoded.plain with (security_barrier = true) as select id from decoded.marked;
    create table decoded.docs (id int) with (user_catalog_table = true); alter table decoded.docs enable row level security;
    create policy p on decoded.docs using (exists (select from decoded.rules where rules.id = docs.id))`)
  const before = [...(await options())]
  expect(before).toHaveLength(4)
  for (const strategy of ['swap', 'regular', 'concurrent'] as const)
    expect(await refresh({ view: 'decoded.marked', strategy }, callOn(database))).toMatchObject({
      status: 'updated',
    })
  expect([...(await options())]).toEqual(before)
  await callAlter(database, 'alter table decoded.rules alter column v type integer', { huntMs: 60_000 })
  expect([...(await options())]).toEqual(before)
  await callSetAside(database, ['decoded.marked'])
  await callPutBack(database)
  expect([...(await options())]).toEqual(before)
})

test('the columns of an index keep the compression that their column of the view was given later', async () => {
  await sql.unsafe(`
    create schema packed;
    create table packed.t as select i as id, array['a', i::text] as tags from generate_series(1, 3) i;
    create materialized view packed.v as select id, tags, tags as plain from packed.t;
    create index before on packed.v using gin (tags); create unique index on packed.v (id) include (tags, plain);
    alter materialized view packed.v alter column tags set compression pglz;
    create index after on packed.v (tags)`)
  const compressed = async () => [
    ...(await sql`
      select c.relname, a.attnum, a.attcompression from pg_attribute a join pg_class c on c.oid = a.attrelid
       where c.relnamespace = 'packed'::regnamespace and c.relkind in ('i', 'm') and a.attnum > 0 order by 1, 2`),
  ]
  const before = await compressed()
  expect(before.filter(({ attcompression }) => attcompression === 'p')).toHaveLength(4)
  expect(await refresh({ view: 'packed.v', strategy: 'swap' }, callOn(database))).toMatchObject({
    status: 'updated',
  })
  expect(await compressed()).toEqual(before)
  await callAlter(database, 'alter table packed.t alter column id type bigint', { huntMs: 60_000 })
  expect(await compressed()).toEqual(before)
})
