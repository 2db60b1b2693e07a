import { beforeAll, describe, expect, test } from 'vitest'
import { refresh as refreshView } from '../../../../src/run/refresh.ts'
import { eachCase } from '../../../support/deep.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { major } from '../../../support/servers/test-server.ts'

const { database, sql } = useDatabase()

/** The status of a refresh, what people read of its failure, and all of it. */
async function refresh(view: string, strategy: 'regular' | 'swap' = 'regular') {
  const { status, error } = await refreshView({ view, strategy }, callOn(database))
  const { message, sqlstate, hint } = error ?? {}
  return { status, detail: `${message} (${sqlstate}). ${hint ?? ''}`, error }
}

describe('a function whose text names something without its schema: the name, the function and what to type are told, and no row', () => {
  const path = major >= 17 ? 'pg_catalog' : '"$user", public'

  beforeAll(async () => {
    await sql.unsafe(`
      create schema calls; create schema "Odd Calls"; create table calls.rates as select 'secret' as r;
      create table "Odd Calls"."The Rates" as table calls.rates; create type calls.mood as enum ('secret');
      set check_function_bodies = off;
      create function calls.rate() returns text language sql as 'select max(r) from Rates';
      create function calls.above_rate() returns text language sql as 'select calls.rate()';
      create function calls.odd_rate(integer) returns text language sql as 'select max(r) from "The Rates"';
      create function calls.in_plpgsql() returns text language plpgsql as 'begin return (select max(r) from rates); end';
      create function calls.calls_other() returns text language sql as 'select in_plpgsql()';
      create function calls.casts() returns text language sql as 'select min(r::mood)::text from calls.rates';
      create function calls.nowhere() returns text language sql as 'select max(r) from calls.gone';
      create function calls.by_row(name text) returns bigint language sql as 'select (name::regclass)::oid::bigint';
      reset check_function_bodies`)
  })

  eachCase(
    [
      ['above_rate()', 'table rates', 'calls.rate()', 'calls.rates', 'calls'],
      [
        'odd_rate(1)',
        'table "The Rates"',
        'calls.odd_rate(integer)',
        '"Odd Calls"."The Rates"',
        '"Odd Calls"',
      ],
      ['in_plpgsql()', 'table rates', 'calls.in_plpgsql()', 'calls.rates', 'calls'],
      ['calls_other()', 'function in_plpgsql', 'calls.calls_other()', 'calls.in_plpgsql', 'calls'],
      ['casts()', 'object mood', 'calls.casts()', 'calls.mood', 'calls'],
    ],
    { quick: 4 },
  )('%s', async (call, undefinedName, called, name, schema) => {
    await sql.unsafe(`
      drop materialized view if exists calling; create materialized view calling as select calls.${call} as r with no data`)
    const fix = `alter function ${called} set search_path = ${schema};`
    const failed = await refresh('calling')
    expect(failed.detail).toMatch(`undefined ${undefinedName} in function ${called} (42`)
    expect(failed.detail).toMatch(
      `A refresh looks for a name without a schema in ${path} only. Write ${name} in the function, or: ${fix} (as postgres)`,
    )
    expect(JSON.stringify(failed.error)).not.toContain('secret')
    if (call === 'calls_other()') await sql`alter function calls.in_plpgsql() set search_path = calls`
    await sql.unsafe(fix)
    expect((await refresh('calling')).status).toBe('updated')
    await sql.unsafe(`alter function ${called} reset search_path`)
    expect((await refresh('calling', 'swap')).detail).toBe(failed.detail)
  })

  test('and of a function that belongs to an extension, that it stays as it is', async () => {
    await sql.unsafe(`
      set check_function_bodies = off;
      create function calls.of_extension() returns text language sql as 'select max(r) from rates';
      alter extension plpgsql add function calls.of_extension();
      create materialized view asks_extension as select calls.of_extension() as r with no data`)
    expect((await refresh('asks_extension')).detail).toMatch(
      /^undefined table rates in function calls\.of_extension\(\) \(42P01\)\. .* extension plpgsql/,
    )
    await sql.unsafe(
      'alter extension plpgsql drop function calls.of_extension(); reset check_function_bodies',
    )
  })

  test.each(['select max(gone) from calls.rates', 'select max(x.gone) from calls.rates x'])(
    'of a column that is gone, too: %s',
    async (body) => {
      await sql.unsafe(`
      set check_function_bodies = off; create or replace function calls.column_of() returns text language sql as '${body}';
      reset check_function_bodies; drop materialized view if exists asks_column;
      create materialized view asks_column as select calls.column_of() as r with no data`)
      const { detail, error } = await refresh('asks_column')
      expect(detail).toMatch(
        /^undefined column gone in function calls\.column_of\(\) \(42703\)\. There is no such name any more/,
      )
      expect(JSON.stringify(error)).not.toContain('secret')
    },
  )

  test('but not of a table that is gone, and of a name that only a row has', async () => {
    await sql`create materialized view asks_gone as select calls.nowhere() as r with no data`
    expect((await refresh('asks_gone')).detail).toMatch(
      /^undefined table "calls\.gone" in function calls\.nowhere\(\) \(42P01\)\./,
    )
    await sql`create materialized view asks_row as select calls.by_row(r) as r from calls.rates with no data`
    expect((await refresh('asks_row')).detail).toBe('undefined table (42P01). ')
  })
})

describe('what no function is to blame for, or no name: what to change is told', () => {
  beforeAll(async () => {
    await sql.unsafe(`
      create schema texts; create schema moved; create extension unaccent;
      create table texts.docs as select 1 as id, to_tsvector('simple', 'secret') as words;
      create function texts.plain(text) returns text language sql immutable as 'select public.unaccent($1)';
      create function texts.temporary() returns integer language plpgsql as 'begin create temp table t (n int); drop table t; return 1; end'`)
  })

  test.each<[view: string, query: string, told: RegExp]>([
    [
      'counts',
      `select word from ts_stat('select words from docs')`,
      /^undefined table docs in a text of the query \(42P01\)\. A refresh looks .* only\. Write texts\.docs in the text\.$/,
    ],
    [
      'tenant',
      `select id, current_setting('app.tenant') as t from texts.docs`,
      /^undefined object \(setting app\.tenant\) in a text of the query \(42704\)\. Set it for all sessions: alter database \w+ set app\.tenant = .* current_setting\('app\.tenant', true\)\.$/,
    ],
    [
      'moved',
      `select texts.plain('x') as p`,
      /^undefined function unaccent in function texts\.plain\(text\) \(42883\)\. It is in schema moved with extension unaccent: write moved\.unaccent\.$/,
    ],
    [
      'temporary',
      'select texts.temporary() as t',
      /^insufficient privilege to create a temporary table in function texts\.temporary\(\) \(42501\)\. No function may, while a materialized view is filled\.$/,
    ],
  ])('%s', async (view, query, told) => {
    await sql.unsafe(`create materialized view texts.${view} as ${query} with no data`)
    if (view === 'moved') await sql`alter extension unaccent set schema moved`
    expect((await refresh(`texts.${view}`)).detail).toMatch(told)
    expect((await refresh(`texts.${view}`, 'swap')).detail).toMatch(told)
  })

  test('but not of a setting whose name comes from a row', async () => {
    await sql`create materialized view texts.by_row as select current_setting('a.' || id) as s from texts.docs with no data`
    expect((await refresh('texts.by_row')).detail).toBe('undefined object (42704). ')
  })
})

test('a value that a domain does not allow: the constraint and the domain are told, and not the value', async () => {
  await sql.unsafe(`
    create schema allowed; create domain allowed.price as integer constraint "not free" check (value > 0);
    create table allowed.orders as select 704170417 as total;
    create materialized view priced as select (total - 800000000)::allowed.price as price from allowed.orders with no data`)
  const { detail, error } = await refresh('priced')
  expect(detail).toMatch('check violation of constraint "not free" of allowed.price (23514). ')
  expect(JSON.stringify(error)).not.toMatch(/95829583|704170417/)
})
