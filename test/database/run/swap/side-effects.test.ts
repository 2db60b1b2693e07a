import postgres from 'postgres'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Strategy } from '../../../../src/catalog/plan/definition.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { ofTestsThemselves } from '../../../support/servers/settings.ts'
import { until } from '../../../support/waiting/until.ts'

// What a refresh does to those who did not ask for it: docs/strategies.md has the figures.

const { database, sql, url } = useDatabase()
const strategies = ['regular', 'concurrent', 'swap'] as const

beforeAll(() =>
  sql.unsafe(`
    create table base as select id, 0 as version from generate_series(1, 100) id;
    create table fired (event text, tag text);
    create function note() returns event_trigger language plpgsql as $$ begin
      insert into public.fired values (tg_event, tg_tag);
      if tg_event = 'ddl_command_end' then
        perform pg_notify('changed', 'it has') from pg_event_trigger_ddl_commands() where command_tag <> 'REFRESH MATERIALIZED VIEW';
      else
        perform pg_notify('changed', 'it has') from pg_event_trigger_dropped_objects() where not is_temporary;
      end if;
    end $$`),
)

beforeEach(() =>
  sql.unsafe(`
    drop materialized view if exists mv cascade;
    create materialized view mv as select * from base; create unique index on mv (id);
    create view above as select id from mv`),
)

async function refreshed(strategy: Strategy) {
  await sql`update base set version = version + 1`
  const result = await refresh({ view: 'mv', strategy }, callOn(database))
  expect(result).toMatchObject({ status: 'updated', response: { strategy } })
}

describe('event triggers', () => {
  /** The tags for which triggers fire during `work`, each with how often. */
  async function firings(work: () => Promise<unknown>) {
    await sql.unsafe(`
      truncate fired;
      create event trigger on_end on ddl_command_end execute function note();
      create event trigger on_drop on sql_drop execute function note()`)
    try {
      await work()
    } finally {
      await sql`drop event trigger on_drop`
      await sql`drop event trigger on_end`
    }
    const rows = await sql<{ event: string; tag: string; n: number }[]>`
      select event, tag, count(*)::int as n from fired where tag not like '% EVENT TRIGGER' group by 1, 2 order by 1, 2`
    return Object.fromEntries(rows.map(({ event, tag, n }) => [`${event} ${tag}`, n]))
  }

  test('fire four times for a regular refresh: three locks and the refresh', async () => {
    expect(await firings(() => refreshed('regular'))).toEqual({
      'ddl_command_end ALTER MATERIALIZED VIEW': 3,
      'ddl_command_end REFRESH MATERIALIZED VIEW': 1,
    })
  })

  test('fire for a concurrent refresh as often as for the bare statement', async () => {
    const bare = await firings(() => sql`refresh materialized view concurrently mv`)
    expect(await firings(() => refreshed('concurrent'))).toEqual(bare)
  })

  test('fire for each command of a swap', async () => {
    expect(await firings(() => refreshed('swap'))).toEqual({
      'ddl_command_end ALTER INDEX': 2,
      'ddl_command_end ALTER MATERIALIZED VIEW': 5,
      'ddl_command_end ALTER VIEW': 2,
      'ddl_command_end CREATE FUNCTION': 2,
      'ddl_command_end CREATE INDEX': 1,
      'ddl_command_end CREATE MATERIALIZED VIEW': 3,
      'ddl_command_end CREATE VIEW': 1,
      'ddl_command_end DROP FUNCTION': 2,
      'ddl_command_end DROP MATERIALIZED VIEW': 3,
      'ddl_command_end REFRESH MATERIALIZED VIEW': 1,
      'sql_drop DROP FUNCTION': 2,
      'sql_drop DROP MATERIALIZED VIEW': 3,
    })
  })

  test.each([
    ['regular', 1],
    ['concurrent', 0],
    ['swap', 1],
  ] as const)(
    'that tell a listener only of lasting changes: %s tells it %i times',
    async (strategy, count) => {
      const heard: string[] = []
      const { unlisten } = await sql.listen('changed', (payload) => heard.push(payload))
      await firings(() => refreshed(strategy))
      await sql`notify changed, 'end'`
      await until('the end is heard', async () => heard.includes('end'))
      await unlisten()
      expect(heard).toEqual([...Array(count).fill('it has'), 'end'])
    },
  )
})

test.each(strategies)(
  'a prepared statement with a generic plan reads the new rows after %s',
  async (strategy) => {
    const session = postgres(url, {
      max: 1,
      connection: { ...ofTestsThemselves, plan_cache_mode: 'force_generic_plan' },
    })
    try {
      await session.unsafe(
        'prepare whole as select * from mv; prepare one as select version from mv where id = 7',
      )
      const [before] = await session.unsafe('execute one')
      expect(await session.unsafe('execute whole')).toHaveLength(100)
      await refreshed(strategy)
      expect(await session.unsafe('execute whole')).toHaveLength(100)
      expect(await session.unsafe('execute one')).toEqual([{ version: before?.version + 1 }])
    } finally {
      await session.end()
    }
  },
)

test.each([
  ['regular', 'go on'],
  ['concurrent', 'go on'],
  ['swap', 'begin anew'],
] as const)('the counters of the view after %s %s', async (strategy, what) => {
  await sql.begin(async (its) => {
    for (let at = 0; at < 10; at++) await its`select count(*) from mv`
    await its`select pg_stat_force_next_flush()`
  })
  const scans = async () => {
    const [row] = await sql`select seq_scan from pg_stat_user_tables where relid = 'mv'::regclass`
    return row?.seq_scan
  }
  expect(await scans()).toBeGreaterThanOrEqual(10)
  await refreshed(strategy)
  expect((await scans()) < 10).toBe(what === 'begin anew')
})

test('a publication of all tables lets Viewkeeper write: each of its tables has a key', async () => {
  const keyless = await sql`
    select relname from pg_class c where relnamespace = 'viewkeeper'::regnamespace and relkind in ('r', 'p')
       and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)`
  expect(keyless).toEqual([])
})
