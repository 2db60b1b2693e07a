import { beforeAll, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { rewrite } from '../../support/views/rewritten.ts'

const { sql, database } = useDatabase()
const scheduled = async (name: string, more: object = {}) => {
  const call = callOn(database, { trigger: 'schedule', requestedBy: 'schedule' })
  return (await refresh({ view: `quiet.${name}`, strategy: 'regular', ...more }, call)).status
}
const filled = async (...names: string[]) => {
  for (const name of names) {
    const { status } = await refresh({ view: `quiet.${name}`, strategy: 'regular' }, callOn(database))
    expect(status).toBe('updated')
  }
}

beforeAll(async () => {
  await sql.unsafe(`
    create schema quiet;
    create table quiet.t as select 1 as n, current_timestamp as at;
    create type quiet.pair as (a int, b int);
    create type quiet.colour as enum ('red', 'green');
    create materialized view quiet.base as select n, at, 'red'::quiet.colour as colour, 0 as spare from quiet.t;
    create unique index on quiet.base (n);
    create view quiet.between as select n, date_trunc('day', at) as day, colour from quiet.base;
    create materialized view quiet.mid as select n::text as text, count(*), max(day), max(colour) as colour, count((n, n)::quiet.pair) as pairs from quiet.between group by n;
    create unique index on quiet.mid (text);
    create materialized view quiet.top as select text || '!' as loud from quiet.mid;`)
})

describe('a scheduled refresh of a view that reads views only', () => {
  test('is left out while none of them was filled, and only then', async () => {
    await filled('base', 'mid', 'top')
    expect([await scheduled('mid'), await scheduled('top')]).toEqual(['skipped', 'skipped'])
    const [row] = await sql`
      select r.meta #>> '{response,because}' as because, r.as_of = base.as_of and s.as_of = base.as_of as same, s.held_back_by
        from viewkeeper.view_status s join viewkeeper.runs r on r.id = s.last_run_id and r.status = 'skipped'
       cross join (select as_of from viewkeeper.view_status where name = 'base') base where s.name = 'top'`
    expect(row).toEqual({
      because: 'nothing that the view reads has been refreshed since; "force" refreshes it all the same',
      same: true,
      held_back_by: 'quiet.base',
    })
    const { causes } = await getWhy(database, 'quiet.top', { schedules: unscheduled, typed: null })
    expect(causes.map(({ code }) => code)).not.toContain('Skipped')
    expect(await scheduled('base')).toBe('updated')
    expect([await scheduled('mid'), await scheduled('top')]).toEqual(['updated', 'updated'])
    expect([await scheduled('mid'), await scheduled('top')]).toEqual(['skipped', 'skipped'])
  })

  test('is made if it is forced, and so is one that a person asks for', async () => {
    await filled('base', 'mid')
    expect(await scheduled('mid', { force: true })).toBe('updated')
    await filled('mid')
    expect(await scheduled('mid')).toBe('skipped')
  })

  eachCase(
    [
      ['somebody refreshes a view that it reads', 'refresh materialized view quiet.base'],
      ['somebody refreshes it concurrently', 'refresh materialized view concurrently quiet.base'],
      [
        'a plain view between is another one',
        'create or replace view quiet.between as select n, at as day, colour from quiet.base',
      ],
      ['the server has other settings', `alter database :db set timezone = 'Asia/Tokyo'`],
      ['a column has another name', 'alter materialized view quiet.base rename column spare to more'],
      ['an attribute of a type has another name', 'alter type quiet.pair rename attribute b to c'],
      ['a label has another name', `alter type quiet.colour rename value 'green' to 'blue'`],
      [
        'somebody refreshes the view itself concurrently, with a snapshot that may be older',
        'refresh materialized view concurrently quiet.mid',
      ],
      ['the view itself is emptied', 'refresh materialized view quiet.mid with no data'],
      [
        'the view is made anew',
        `drop materialized view quiet.mid cascade;
       create materialized view quiet.mid as select n::text as text, count(*), max(day), max(colour) as colour, count((n, n)::quiet.pair) as pairs from quiet.between group by n;
       create materialized view quiet.top as select text || '!' as loud from quiet.mid`,
      ],
    ],
    { quick: 2 },
  )('is made if %s', async (_, change) => {
    await filled('base', 'mid')
    expect(await scheduled('mid')).toBe('skipped')
    const [{ db } = { db: '' }] = await sql`select quote_ident(current_database()) as db`
    await sql.unsafe(change.replace(':db', db))
    expect(await scheduled('mid')).toBe('updated')
  })

  test(
    'is made after somebody has rewritten a file, until that view is refreshed; nothing else changes by it',
    deep,
    async () => {
      await filled('base', 'mid')
      const look = async () => {
        const rows = await sql`select v::text from quiet.base v order by 1`
        const [status] = await sql`
        select last_success_at, last_run_id, last_status, stale from viewkeeper.view_status where name = 'base'`
        return { rows, status, catalog: await describeInCatalog(sql, 'quiet.base') }
      }
      const before = await look()
      await rewrite(sql, 'quiet.base')
      expect(await look()).toEqual(before)
      const { causes } = await getWhy(database, 'quiet.base', { schedules: unscheduled, typed: null })
      expect(causes.map(({ code }) => code)).toContain('UnknownAge')
      expect(await scheduled('mid')).toBe('updated')
      for (const strategy of ['concurrent', 'swap', 'regular']) {
        await rewrite(sql, 'quiet.base')
        expect(await scheduled('base', { strategy, force: true })).toBe('updated')
      }
      expect(await scheduled('mid')).toBe('updated')
      expect(await scheduled('mid')).toBe('skipped')
      expect((await look()).catalog).toEqual(before.catalog)
    },
  )

  test('is left out if a type that its query does not have is another one', async () => {
    await sql.unsafe(`create type quiet.other as enum ('a'); create type quiet.others as (a int)`)
    await filled('base', 'mid')
    await sql.unsafe(
      `alter type quiet.other rename value 'a' to 'b'; alter type quiet.others rename attribute a to b`,
    )
    expect(await scheduled('mid')).toBe('skipped')
  })

  test('is left out of a batch, too, unless the batch names it', deep, async () => {
    await filled('base', 'mid', 'top')
    const statuses = async (request: object) => {
      const batchId = await begin(database, { ...request, exchange: 'each' })
      expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
      const runs =
        await sql`select view_name as name, status from viewkeeper.runs where batch_id = ${batchId}`
      return Object.fromEntries(runs.map(({ name, status }) => [name, status]))
    }
    expect(await statuses({ pattern: 'quiet.*p' })).toEqual({ top: 'skipped' })
    expect(await statuses({ views: ['quiet.top'] })).toEqual({ top: 'success' })
    expect(await statuses({ pattern: 'quiet.*' })).toEqual({
      base: 'success',
      mid: 'success',
      top: 'success',
    })
  })
})

eachCase(
  [
    ['a table', 'select b.n from quiet.base b, quiet.t'],
    ['the clock', 'select n, now() from quiet.base'],
    ['the date', 'select n from quiet.base where at > current_date - 1'],
    ['chance', 'select n, random() from quiet.base'],
    ['a sample', 'select n from quiet.base tablesample bernoulli (50)'],
    ['the place of a row', 'select ctid as place from quiet.base'],
    [
      'a time whose zone depends on the date',
      `select n, time with time zone '12:00+00' at time zone 'Europe/Berlin' from quiet.base`,
    ],
    ['the session', 'select n, current_user from quiet.base'],
    ['a setting', `select n, current_setting('TimeZone') from quiet.base`],
    ['the catalog', 'select n, (select count(*) from pg_catalog.pg_class) from quiet.base'],
    ['the catalog through a name', `select n, 'quiet.t'::text::regclass::text as name from quiet.base`],
    ['a word that is a moment', `select (colour::text || n)::timestamptz from quiet.base where n > 5`],
    ['a sequence', `select nextval('quiet.counter') from quiet.base`],
    ['a function whose reads nobody knows', 'select quiet.peek(n) from quiet.base'],
    ['an aggregate of such a function', 'select quiet.sums(n) from quiet.base'],
    ['no view', 'select 1 as n'],
  ],
  { quick: 1 },
)('a view that depends on %s is always refreshed', async (_, query) => {
  await sql.unsafe(`
    create sequence if not exists quiet.counter;
    create or replace function quiet.peek(n int) returns int language sql stable as 'select n from quiet.t limit 1';
    create or replace aggregate quiet.sums(int) (sfunc = int4_sum, stype = bigint);
    drop materialized view if exists quiet.odd; create materialized view quiet.odd as ${query}`)
  await filled('base', 'odd')
  expect(await scheduled('odd')).toBe('updated')
})
