import { beforeAll, describe, expect, test } from 'vitest'
import { wordsOfState } from '../../../src/catalog/plan/state.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { deep, eachCase, eachGroup } from '../../support/deep.ts'
import { writePast } from '../../support/record/past.ts'
import { insertRow, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { useHostileDatabase } from '../../support/servers/hostile.ts'
import { makeHostileNames } from '../../support/servers/hostile-names.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { rewrite } from '../../support/views/rewritten.ts'

// How old data are, where a reader reads them. Schema viewkeeper belongs to a role that is no superuser.

const place = useHostileDatabase()

/** A session of a role with the rights that docs/privileges.md grants to readers, and no other right on schema viewkeeper. */
const reader = () => place.session('reader')

const make = (name: string, query = 'select i from a.base') =>
  place.run('alice', `create materialized view a.${name} as ${query}; grant select on a.${name} to reader`)

async function fill(view: string, strategy: 'regular' | 'swap' = 'regular'): Promise<void> {
  const { status } = await refresh({ view, strategy }, callOn(place.database))
  expect(status).toBe('updated')
}

/** The error of a statement, as the server tells it. */
const errorOf = (statement: Promise<unknown>) =>
  statement.then(
    (rows) => {
      throw new Error(`nothing was refused: ${JSON.stringify(rows)}`)
    },
    ({ code, message, detail, hint }) => ({ code, message, detail, hint }),
  )

const refused = (view: string, within = '15 min') =>
  errorOf(reader()`select viewkeeper.require_fresh(${view}::text, ${within}::interval)`)

beforeAll(async () => {
  await place.sql.unsafe(`
    create role reader login password 'secret'; grant usage on schema viewkeeper to reader;
    grant select on viewkeeper.freshness to reader`)
  await place.run('alice', 'create table a.base as select i from generate_series(1, 100) i')
  await make('sales')
  await make('hidden')
  await place.run('alice', 'revoke select on a.hidden from reader')
  await fill('a.sales')
  await fill('a.hidden')
})

describe('a name', () => {
  const long = 'n'.repeat(63)

  eachCase(
    ['Sales', 'sa.les', 'sa"les', "sa'les", 'sa\\les', 'sa le;--', '\u65e5\u672c', '16384', 'select', long],
    { quick: 4 },
  )('%s is read as SQL reads it', async (name) => {
    const [said] =
      await place.sql`select format('%I', ${name}::text) as bare, format('a.%I', ${name}::text) as view`
    const { bare, view } = said as { bare: string; view: string }
    await make(bare)
    await fill(view)
    const session = reader()
    await session`set search_path = nowhere, a`
    for (const each of [bare, view]) {
      const rows = await session`
          select viewkeeper.as_of(${each}::text) = f.as_of as same, viewkeeper.as_of(${each}::regclass) = f.as_of as also,
                 viewkeeper.is_fresh(${each}::text, '15 min') as fresh, viewkeeper.require_fresh(${each}::regclass, '15 min') as required
            from viewkeeper.freshness f where f.view = ${view}`
      expect(rows).toEqual([{ same: true, also: true, fresh: true, required: true }])
    }
    const { code, message } = await refused(view, '-1 s')
    expect({ code, message }).toEqual({
      code: 'VK001',
      message: expect.stringContaining(`The data of ${view} are 00:0`),
    })
  })

  test('with more bytes than a name may have is cut, as SQL does it', async () => {
    const rows =
      await reader()`select viewkeeper.as_of(${`a.${long}nnn`}) = viewkeeper.as_of(${`a.${long}`}) as same`
    expect(rows).toEqual([{ same: true }])
  })

  test('is that of another view after a rename, and of none after a drop', async () => {
    const [moving, moved] = [
      `viewkeeper.is_fresh('a.moving', '15 min')`,
      `viewkeeper.is_fresh('a.moved', '15 min')`,
    ]
    const told = async () => (await reader().unsafe(`select ${moving} as moving, ${moved} as moved`))[0]
    await make('moving')
    await fill('a.moving')
    expect(await told()).toEqual({ moving: true, moved: null })
    await place.run('alice', 'alter materialized view a.moving rename to moved')
    expect(await told()).toEqual({ moving: null, moved: null })
    await fill('a.moved')
    expect(await told()).toEqual({ moving: null, moved: true })
    await place.run('alice', 'drop materialized view a.moved')
    await make('moved')
    expect(await told()).toEqual({ moving: null, moved: null })
    await place.run('alice', 'drop materialized view a.moved')
    expect(await refused('a.moved')).toMatchObject({ code: '42P01' })
  })
})

describe('of a view that the reader may not read', () => {
  const unknown = 'a.no_such_view'
  const tell = (view: string) =>
    reader()`select viewkeeper.as_of(${view}) as "asOf", viewkeeper.is_fresh(${view}, '15 min') as fresh`

  test('everything is told as of a name that nothing has', async () => {
    expect(await tell('a.hidden')).toEqual(await tell(unknown))
    const { message, ...error } = await refused('a.hidden')
    expect(error).toEqual({ code: '42P01', detail: undefined, hint: undefined })
    expect(message).toBe('There is no materialized view a.hidden that role reader may read.')
    const other = await refused(unknown)
    expect({ ...other, message: other.message.replace(unknown, 'a.hidden') }).toEqual({ message, ...error })
    const [{ oid } = { oid: 0 }] = await place.sql`select 'a.hidden'::regclass::oid as oid`
    const byOid = (id: number) => errorOf(reader()`select viewkeeper.require_fresh(${id}::oid, '15 min')`)
    expect((await byOid(oid)).message.replace(oid, 7)).toBe((await byOid(7)).message)
  })

  test('nothing is in the list, and no function of the reader sees a row of it', async () => {
    await place.sql`grant create on schema public to reader`
    const session = reader()
    await session.unsafe(`
      create table public.leaked (view text);
      create function public.leak(view text) returns boolean language plpgsql cost 0.0000001 as
        'begin insert into public.leaked values (view); return true; end'`)
    const listed = await session`select view from viewkeeper.freshness where public.leak(view) order by 1`
    const leaked = await session`select view from public.leaked order by 1`
    expect(leaked).toEqual(listed)
    expect(listed.map(({ view }) => view)).toContain('a.sales')
    expect(listed.map(({ view }) => view)).not.toContain('a.hidden')
  })

  test('no name is told, not even if its data are too old', async () => {
    await make('above', 'select i from a.hidden')
    await fill('a.above')
    const asOf = place.sql`as_of - interval '1 day'`
    await updateRows(place.sql, 'runs', { view: 'a.above' }, { asOf, heldBackBy: 'a.hidden' })
    const condition = async () => (await refused('a.above')).detail
    expect(await condition()).toMatch(/held back: a view that it reads was not fresher\.$/)
    await place.run('alice', 'grant select (i) on a.hidden to reader')
    expect(await condition()).toMatch(/held back: a\.hidden, which it reads, was not fresher\.$/)
    await place.run('alice', 'revoke select (i) on a.hidden from reader')
  })

  test('its schema says no, as it does to SQL', async () => {
    await place.sql`create schema closed authorization mallory`
    await place.run(
      'mallory',
      'create materialized view closed.v as select 1 as i; grant select on closed.v to reader',
    )
    await fill('closed.v')
    expect(await errorOf(tell('closed.v'))).toEqual(await errorOf(reader()`select from closed.v`))
    const [{ oid } = { oid: 0 }] = await place.sql`select 'closed.v'::regclass::oid as oid`
    expect(await reader()`select viewkeeper.as_of(${oid}::oid) as "asOf"`).toEqual([{ asOf: null }])
  })

  const others = ['runs', 'definitions', 'latest_runs', 'view_status', 'batches']
  test.each(others)('the right on the list is none on %s', async (table) => {
    expect(await errorOf(reader().unsafe(`select from viewkeeper.${table}`))).toMatchObject({
      code: '42501',
    })
  })
})

describe('the condition of a view that', () => {
  const scenes: [does: string, name: string, scene: (view: string) => Promise<unknown>, said: RegExp][] = [
    ['is well', 'well', async () => {}, /Last refreshed at .* stale: no refresh has ended since\.$/],
    [
      'somebody has filled',
      'handmade',
      (view) => place.run('alice', `refresh materialized view ${view}`),
      /unknown: it was filled outside/,
    ],
    [
      'somebody has rewritten',
      'rewritten',
      (view) => rewrite(place.sql, view),
      /unknown: .* or its file was rewritten\.$/,
    ],
    ['is paused', 'paused', (view) => pauseView(place.database, view, true, 'test'), /paused: since /],
    [
      'shows nothing',
      'empty',
      (view) => place.run('alice', `refresh materialized view ${view} with no data`),
      /unpopulated: readers get an error from it\.$/,
    ],
    [
      'fails',
      'failing',
      async (view) => {
        await place.run('alice', 'update a.divisor set n = 0')
        await advanceToEnd(place.database, await begin(place.database, { views: [view], retries: 0 }))
      },
      /failed: its refresh failed at .* \(\w+\)\.$/,
    ],
    [
      'waits for another',
      'waiting',
      async (view) => {
        await place.run('alice', 'update a.divisor set n = 0')
        await advanceToEnd(
          place.database,
          await begin(place.database, { views: ['a.broken', view], retries: 0 }),
        )
      },
      /held back: its refresh was skipped at .*, because another view failed\.$/,
    ],
  ]

  beforeAll(async () => {
    await place.run('alice', 'create table a.divisor as select 1 as n')
    for (const name of ['well', 'handmade', 'rewritten', 'paused', 'empty']) await make(name)
    await make('failing', 'select 1 / n as n from a.divisor')
    await make('broken', 'select 1 / n as n from a.divisor')
    await make('waiting', 'select n from a.broken')
    for (const name of ['broken', ...scenes.map(([, each]) => each)]) await fill(`a.${name}`)
  })

  eachCase(scenes, { quick: 2 })('%s is in the words of the list', async (_, name, scene, said) => {
    const view = `a.${name}`
    await scene(view)
    const { views } = await listViews(place.database)
    const listed = views.find((each) => each.view === view)
    const [row] =
      await reader()`select as_of as "asOf", condition from viewkeeper.freshness where view = ${view}`
    expect(row?.asOf).toEqual(listed?.asOf)
    expect(row?.condition?.split(': ')[0] ?? 'no limit').toBe(wordsOfState(listed?.state).word)
    const { code, detail, hint } = await refused(view, '-1 s')
    expect({ code, hint }).toEqual({ code: 'VK001', hint: `viewkeeper why ${view}` })
    expect(detail).toMatch(said)
  })

  test('nobody has refreshed is that Viewkeeper has no record of it; the same of a table', async () => {
    await make('unmet')
    await place.run('alice', 'grant select on a.base to reader')
    for (const view of ['a.unmet', 'a.base'])
      expect(await refused(view)).toEqual({
        code: 'VK001',
        message: `Nobody knows how old the data of ${view} are.`,
        detail: 'unknown: Viewkeeper has no record of it.',
        hint: `viewkeeper why ${view}`,
      })
  })
})

describe('while a view is exchanged', () => {
  test('what reads its age stays as it is, by name and by regclass', async () => {
    await make('swapped')
    await fill('a.swapped')
    await place.sql`grant usage on schema viewkeeper to alice`
    await place.run(
      'alice',
      `create view a.badge as select viewkeeper.is_fresh('a.swapped', '1 min') as fresh;
       create view a.by_oid as select viewkeeper.as_of('a.swapped'::regclass) as at; grant select on a.badge, a.by_oid to reader`,
    )
    const tell = () => reader()`
      select b.fresh, o.at = f.as_of as same, f.relation::text as oid, f.as_of::text as at
        from a.badge b, a.by_oid o, viewkeeper.freshness f where f.view = 'a.swapped'`
    const [before] = await tell()
    await fill('a.swapped', 'swap')
    const [after] = await tell()
    expect([before, after]).toEqual([
      expect.objectContaining({ fresh: true, same: true }),
      expect.objectContaining({ fresh: true, same: true }),
    ])
    expect(after?.oid).not.toBe(before?.oid)
    expect(after?.at).not.toBe(before?.at)
  })

  test(
    'a transaction sees the new data with their age, and an older snapshot never calls data fresh that it cannot date',
    deep,
    async () => {
      await make('moment')
      await fill('a.moment')
      const [each, old] = [reader(), reader()]
      const tell = (session: typeof each) => session`
      select viewkeeper.as_of('a.moment')::text as at, viewkeeper.is_fresh('a.moment', '1 hour') as fresh`
      await each`begin`
      await old`begin isolation level repeatable read`
      const [[first], [same]] = [await tell(each), await tell(old)]
      expect([first, same]).toEqual([{ at: first?.at, fresh: true }, first])
      await fill('a.moment', 'swap')
      await place.run('alice', 'delete from a.base where i = 1')
      await fill('a.moment', 'swap')
      const read = (session: typeof each) =>
        session`select min(i) as i, viewkeeper.as_of('a.moment')::text as at from a.moment`
      const [second] = await read(each)
      const [truth] =
        await place.sql`select as_of::text as at from viewkeeper.view_status where name = 'moment'`
      expect(second).toEqual({ i: 2, at: truth?.at })
      expect(await tell(old)).toEqual([first])
      expect(await read(old)).toEqual([{ i: 2, at: null }])
      expect(await errorOf(old`select viewkeeper.require_fresh('a.moment', '1 hour')`)).toMatchObject({
        code: 'VK001',
      })
    },
  )
})

describe('a query that asks how old its data are', () => {
  const explained = async (query: string, settings = '') => {
    const session = reader()
    await session.unsafe(settings)
    const rows = await session.unsafe(`explain (analyze, timing off, costs off, summary off) ${query}`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }

  test.each(['is_fresh', 'require_fresh'])('asks %s once, before it reads a row', async (asks) => {
    const plan = await explained(
      `select i from a.sales where viewkeeper.${asks}('a.sales', '1 day') and i > 3`,
    )
    expect(plan).toMatch(/One-Time Filter: /)
    expect(plan).not.toMatch(/\bFilter: .*as_of.*\n.*Rows Removed/)
    expect(await explained(`select i from a.sales where viewkeeper.is_fresh('a.sales', '-1 s')`)).toMatch(
      /Scan on sales \(never executed\)/,
    )
  })

  test('may still be executed in parallel', async () => {
    const settings = `set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0`
    const plan = await explained(
      `select count(*) from a.sales where viewkeeper.require_fresh('a.sales', '1 day')`,
      settings,
    )
    expect(plan).toMatch(/Parallel Seq Scan/)
  })

  test('finds one view in a few blocks, whatever the record has of this view and of others', async () => {
    await make('busy')
    await fill('a.busy')
    const others = Array.from({ length: 300 }, (_, at) => `other_${at}`)
    await Promise.all(others.map((name) => insertRow(place.sql, 'definitions', { view: `a.${name}` })))
    await writePast(place.sql, [
      ...others.flatMap((view) => Array(20).fill({ view, ago: '1 s' })),
      ...Array(5000).fill({ view: 'busy', status: 'failed', ago: '1 s' }),
    ])
    await place.sql`vacuum analyze viewkeeper.runs, viewkeeper.definitions`
    const session = reader()
    const tell = async () => {
      const rows = await session`
        explain (analyze, buffers, format json) select as_of from viewkeeper.freshness where relation = 'a.busy'::regclass`
      const { Plan: plan } = rows.flatMap((row) => row['QUERY PLAN'])[0]
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
    }
    await tell() // reads the catalog of a new session
    expect(await tell()).toBeLessThan(60)
  })
})

test(
  "no name on a reader's path is taken for the catalog's, and no right on it is needed",
  deep,
  async () => {
    await place.sql`grant create on schema public to mallory`
    await makeHostileNames(place.session('mallory'), 'public')
    const session = reader()
    await session`set search_path = public, a, m, pg_catalog`
    await session.unsafe(`
    select viewkeeper.as_of('sales'), viewkeeper.as_of('a.sales'), viewkeeper.is_fresh('sales', '1 day'), viewkeeper.require_fresh('a.sales', '1 day')`)
    await session
      .unsafe(`select viewkeeper.require_fresh('sales', '-1 s')`)
      .catch(({ code }) => expect(code).toBe('VK001'))
    await session
      .unsafe(`select viewkeeper.require_fresh('nothing', '1 s')`)
      .catch(({ code }) => expect(code).toBe('42P01'))
    await session.unsafe('select view, condition from viewkeeper.freshness')
    expect(
      await place.sql`select did, who from public.loot where did operator(pg_catalog.~~) 'executed%'`,
    ).toEqual([])
    await place.run(
      'mallory',
      'create materialized view public.sales as select 1 as i; grant select on public.sales to public',
    )
    expect(
      await session`select viewkeeper.as_of('sales') as "asOf", (select i from sales limit 1) as i`,
    ).toEqual([{ asOf: null, i: 1 }])
  },
)

eachGroup(
  [
    ['LATIN1', '\u00e9t\u00e9'],
    ['EUC_JP', '\u65e5\u672c'],
  ],
  { quick: 1 },
)('in a database in %s', (encoding, word) => {
  const { sql, database } = useDatabase({ encoding })

  test('names beyond ASCII are told', async () => {
    await sql.unsafe(`create materialized view "${word}" as select 1 as i`)
    await refresh({ view: `public."${word}"` }, callOn(database))
    expect(await sql`select viewkeeper.is_fresh(${`"${word}"`}, '15 min') as fresh`).toEqual([
      { fresh: true },
    ])
    expect(await errorOf(sql`select viewkeeper.require_fresh(${word}::text, '-1 s')`)).toMatchObject({
      code: 'VK001',
      message: expect.stringContaining(`public."${word}"`),
      hint: `viewkeeper why 'public."${word}"'`,
    })
  })
})
