import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { namedCatalog } from '../../support/catalog/named-catalog.ts'
import { counts } from '../../support/counts.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, readersOf, useDatabase } from '../../support/servers/database.ts'

const { database, sql, url } = useDatabase()
const role = (name: string) => `${name}_${url.slice(-8)}`
/** Readers may keep an exchange waiting for long. */
const swap = (view: string) => refresh({ view, strategy: 'swap' }, callOn(database))

describe('the exchange of a group', () => {
  eachCase(
    [
      [
        'create function %s.f() returns bigint begin atomic select sum(id) from %s.below; end',
        /function %s\.f\(\) depends on it/,
      ],
      [
        'create table %s.guarded (id int); create policy p on %s.guarded using (id in (select id from %s.between))',
        /policy p on table %s\.guarded depends on it/,
      ],
      [
        'create rule r as on delete to %s.between do instead nothing',
        /rule r on %s\.between is never written again/,
      ],
      [
        'alter view %s.between alter column id set default 7',
        /the default of column id of %s\.between is never written again/,
      ],
    ],
    { quick: 1 },
  )('never writes again what holds SQL of others: %s', async (statement, because) => {
    const schema = `written_${statement.slice(7, 9)}`
    await sql.unsafe(`
      create schema ${schema};
      create materialized view ${schema}.below as select 1 as id; create view ${schema}.between as select id from ${schema}.below;
      create materialized view ${schema}.above as select max(id) as id from ${schema}.between join ${schema}.below using (id);
      ${statement.replaceAll('%s', schema)}`)
    const named = new RegExp(because.source.replaceAll('%s', schema))
    const before = await namedCatalog(sql)
    expect(await swap(`${schema}.below`)).toMatchObject({
      status: 'error',
      error: { class: 'SwapImpossible', message: expect.stringMatching(named) },
    })
    expect(await refresh({ view: `${schema}.below` }, callOn(database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'regular', because: expect.stringMatching(named) },
    })
    expect((await namedCatalog(sql)).rows).toEqual(before.rows)
  })

  eachCase(
    [
      [
        'a function that reads a plain view outside',
        'create view %s.out as select id from %s.below; create function %s.f() returns bigint begin atomic select count(*) from %s.out; end',
        '%s.f() as n',
        'function %s.f() stands between %s.above and %s.below',
      ],
      [
        'a function in an operator, called by a plain view between',
        `create function %s.f(int, int) returns bigint begin atomic select count(*) from %s.below; end;
       create operator %s.## (function = %s.f, leftarg = int, rightarg = int); create view %s.v as select 1 operator(%s.##) 2 as n`,
        '(select n from %s.v) as n',
        'function %s.f(integer,integer) stands between %s.above and %s.below',
      ],
      [
        'a function that calls a function',
        `create function %s.g() returns bigint begin atomic select count(*) from %s.below; end;
       create function %s.f() returns bigint begin atomic select %s.g(); end`,
        '%s.f() as n',
        'function %s.f() stands between %s.above and %s.below',
      ],
      [
        'a policy on a table',
        `create table %s.guarded (id int); alter table %s.guarded enable row level security; alter table %s.guarded force row level security;
       create policy p on %s.guarded using (id in (select id from %s.below)); alter table %s.guarded owner to %o`,
        '(select count(*) from %s.guarded) as n',
        'policy p on table %s.guarded stands between %s.above and %s.below',
      ],
    ],
    { quick: 1 },
  )('is refused if a member would be filled through %s', async (what, statement, reads, because) => {
    const schema = `between_${what.length}`
    const owner = role(schema)
    const filled = (text: string) => text.replaceAll('%s', schema).replaceAll('%o', owner)
    await sql.unsafe(
      filled(`
      create role %o; create schema %s authorization %o;
      create materialized view %s.below as select 1 as id; ${statement};
      create materialized view %s.above as select below.id, ${reads} from %s.below; grant select on all tables in schema %s to %o;
      alter materialized view %s.below owner to %o; alter materialized view %s.above owner to %o`),
    )
    expect(await swap(`${schema}.below`)).toMatchObject({
      status: 'error',
      error: { class: 'SwapImpossible', message: expect.stringContaining(filled(because)) },
    })
    // Only what reads the view is rebuilt: a view that reads the other one through the function is not.
    expect(await swap(`${schema}.above`)).toMatchObject({ status: 'updated' })
  })

  test('again and again under readers through views gives them no error', deep, async () => {
    const guest = role('watched_guest')
    await sql.unsafe(`
      create role ${guest}; create schema watched; grant usage on schema watched to ${guest};
      create table watched.t as select i as id, 0 as round from generate_series(1, 50) i;
      create materialized view watched.below as select id, round from watched.t;
      create view watched.between as select id, round from watched.below;
      create materialized view watched.above as select max(b.round) as round, count(*) as n from watched.between b join watched.below using (id);
      grant select on all tables in schema watched to ${guest}`)
    let stop = false
    const seen: unknown[] = []
    const reader = async (query: string, setUp = 'select 1') => {
      const own = readersOf(url)
      const session = await own.reserve()
      await session.unsafe(setUp)
      while (!stop) {
        const [row] = await session.unsafe(query, [], { prepare: true })
        seen.push(row?.ok)
        // Readers in opposite orders that never pause would keep each exchange waiting for long.
        await pause(Math.random() * 10)
      }
      session.release()
      await own.end()
    }
    const readers = [
      reader(
        'select b.round = a.round and a.n = 50 as ok from watched.above a, watched.between b limit 1',
        `set role ${guest}`,
      ),
      reader('select max(b.round) = min(a.round) as ok from watched.between b, watched.above a'),
    ]
    const enough = counts.swapsUnderCarriedReaders
    for (let i = 0; i < enough || seen.length <= enough * 5; i++) {
      await sql`update watched.t set round = round + 1`
      expect(await swap('watched.below')).toMatchObject({ status: 'updated' })
    }
    stop = true
    await Promise.all(readers)
    expect(seen.filter((ok) => ok !== true)).toEqual([])
  })
})
