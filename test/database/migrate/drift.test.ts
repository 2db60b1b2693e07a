import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { renderFrozen } from '../../../src/migrate/plan/frozen.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { definition } from '../../support/views/frozen.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { untilWaitingAgain } from '../../support/waiting/waiting.ts'

const { database, sql, url } = useDatabase()
const suffix = url.slice(-8)
const [reader, other, usual, bob] = ['reader', 'other', 'usual', 'bob'].map(
  (name) => `check_${name}_${suffix}`,
) as [string, string, string, string]

beforeAll(async () => {
  await sql.unsafe(`
    create role ${reader}; create role ${other}; create role ${usual}; create role ${bob};
    alter default privileges grant select on tables to ${usual};
    create table base (id integer, code varchar(10), n numeric);
    insert into base values (1, 'a', 1), (2, 'b', 2)`)
})

/** Makes a view as its frozen file says. */
async function make(view: Definition): Promise<Definition> {
  await sql.unsafe(renderFrozen({ why: '', change: { does: 'define', definition: view } }))
  return view
}

/** What differs of these, as `view, kind: message`; other views of the file are somebody else's. */
async function check(...views: Definition[]): Promise<string[]> {
  const differences = await readDrift(database, views)
  return differences
    .filter(({ kind }) => kind !== 'unmanaged')
    .map(({ view, kind, message }) => `${view}, ${kind}: ${message}`)
}

let made = 0
const usualView = (more: Partial<Definition> = {}): Definition => {
  const name = `checked_${++made}`
  return definition(name, 'select id, code, n from public.base where id > 0', {
    indexes: [
      { name: `${name}_key`, unique: true, on: '("id")' },
      { name: `${name}_code`, on: "(code) where code <> 'x'" },
    ],
    comment: "it's kept",
    grants: [
      { privileges: ['select', 'insert'], to: reader },
      { privileges: ['select'], columns: ['id', 'n'], to: other, grantOption: true },
      { privileges: ['select'], to: 'public' },
    ],
    ...more,
  })
}

describe('a view that is as it was frozen', () => {
  test('has no difference', async () => {
    expect(await check(await make(usualView()))).toEqual([])
    expect(await check(await make(usualView({ indexes: [], comment: null, grants: [] })))).toEqual([])
  })

  test('has none either by all that may be granted, and by what default privileges give', async () => {
    const all = usualView({
      grants: [
        { privileges: ['all'], to: reader },
        { privileges: ['select'], to: usual },
      ],
    })
    expect(await check(await make(all))).toEqual([])
  })

  test('has none either by what default privileges would give, and somebody took away', async () => {
    const view = await make(usualView())
    await sql.unsafe(`revoke all on ${view.name} from ${usual}`)
    expect(await check(view)).toEqual([])
  })

  test('has none after refreshes of every strategy', async () => {
    const view = await make(usualView())
    for (const strategy of ['regular', 'concurrent', 'swap'] as const) {
      expect(await refresh({ view: view.name, strategy }, callOn(database))).toMatchObject({
        status: 'updated',
      })
      expect(await check(view)).toEqual([])
    }
  })

  eachCase(
    [
      ['a list of varchar', "select id from public.base where code in ('a', 'b')"],
      ['a list that is not', "select id from public.base where code not in ('a', 'b')"],
      ['an array of varchar', "select code = any (array['a', 'b']::varchar[]) as found from public.base"],
      ['a text over lines', "select 'a\n b' as text"],
      [
        'texts with quotes and backslashes',
        "select 'it''s' as a, E'\\\\n\\t' as b, $$a'b$$ as c, 'a;--' as d",
      ],
      ['names that need quotes', 'select id as "Odd ""id""", n as "select" from public.base as "From"'],
      [
        'a bit of everything',
        `with recursive r(i) as (values (1) union all select i + 1 from r where i < 3)
       select distinct on (i) i, sum(n) filter (where n > 0) over (order by i rows between 1 preceding and current row) as s,
              extract(year from timestamptz '2020-01-01 00:00Z' at time zone 'UTC') as y, n between 1 and 2 as b,
              case code when 'a' then 1 end as c, coalesce(nullif(code, ''), 'x') as d, (i, n) is distinct from (1, 2) as e
         from r natural left join (select id as i, n, code from public.base) b order by i, n desc nulls last`,
      ],
    ],
    { quick: 1 },
  )('has none where its query holds %s: frozen, adopted, and refreshed by swap', async (_, query) => {
    const view = await make(definition(`checked_${++made}`, query))
    expect(await check(view)).toEqual([])
    const [adopted] = (await describeViews(database, [view.name])).filter(isDefined)
    expect.soft(await check(adopted!.definition)).toEqual([])
    const swap = await refresh({ view: view.name, strategy: 'swap' }, callOn(database))
    expect.soft(swap.error).toBeUndefined()
    expect.soft(await check(view)).toEqual([])
    expect.soft(await check(adopted!.definition)).toEqual([])
  })
})

describe('a view that has drifted', () => {
  eachCase<[string, string, string[]]>(
    [
      ['an index that is gone', 'drop index %v_key', ['index: it lacks index %v_key']],
      [
        'an index that is another',
        'drop index %v_code; create index %v_code on %v using hash (code)',
        [
          "index: its index %v_code is USING hash (code), and frozen as USING btree (code) WHERE ((code)::text <> 'x'::text)",
        ],
      ],
      [
        'an index that is not unique any more',
        'drop index %v_key; create index %v_key on %v (id)',
        ['index: its index %v_key is USING btree (id), and frozen as unique USING btree (id)'],
      ],
      [
        'an index that nobody froze',
        'create index by_hand_%v on %v (n)',
        ['index: it has index by_hand_%v, which is not frozen'],
      ],
      [
        'another comment',
        'comment on materialized view %v is \'by "hand"\'',
        ['comment: its comment is "by \\"hand\\"", and frozen as "it\'s kept"'],
      ],
      [
        'no comment',
        'comment on materialized view %v is null',
        ['comment: its comment is none, and frozen as "it\'s kept"'],
      ],
      [
        'a grant that is gone',
        `revoke insert on %v from ${reader}`,
        [`grant: it lacks the grant of insert to ${reader}`],
      ],
      [
        'a grant that nobody froze',
        `grant update (n) on %v to ${reader}`,
        [`grant: update (n) to ${reader} is granted, which is not frozen`],
      ],
      [
        "a grant that only another role's default privileges would give",
        `alter default privileges for role ${other} grant select on tables to ${bob}; grant select on %v to ${bob}`,
        [`grant: select to ${bob} is granted, which is not frozen`],
      ],
      [
        'a grant of more than default privileges give',
        `grant update on %v to ${usual}`,
        [`grant: update to ${usual} is granted, which is not frozen`],
      ],
      [
        'a grant without its option',
        `revoke grant option for select (id) on %v from ${other}`,
        [
          `grant: it lacks the grant of select (id) to ${other} with grant option`,
          `grant: select (id) to ${other} is granted, which is not frozen`,
        ],
      ],
      [
        'no data',
        'refresh materialized view %v with no data',
        ['unpopulated: it holds no data yet: refresh it'],
      ],
      ['gone', 'drop materialized view %v', ['missing: it is not in this database']],
      [
        'in the way of a table',
        'drop materialized view %v; create table %v (id integer)',
        ['missing: public.%v is a table, not a materialized view.'],
      ],
      [
        'in the way of a plain view',
        'drop materialized view %v; create view %v as select 1 as id',
        ['missing: public.%v is a plain view, not a materialized view.'],
      ],
    ],
    { quick: 4 },
  )('is told by name: %s', async (_, change, expected) => {
    const view = await make(usualView())
    expect(await check(view)).toEqual([])
    await sql.unsafe(change.replaceAll('%v', view.name))
    const told = expected.map((each) => `public.${view.name}, ${each.replaceAll('%v', view.name)}`)
    expect(await check(view)).toEqual(told)
  })

  test.each<[string, string, string[]]>([
    [
      'another query',
      'drop materialized view %v; create materialized view %v as select id, code, n from base where id > 1',
      ['query: its query is not the frozen one'],
    ],
    [
      'other columns',
      'drop materialized view %v; create materialized view %v as select id, code::text, 1 as m from base where id > 0',
      [
        'query: its query is not the frozen one',
        'column: its column code is text, and frozen as character varying(10)',
        'column: it lacks column n',
        'column: it has column m, which is not frozen',
      ],
    ],
  ])('is told by name, beside all that went with the old one: %s', async (_, change, expected) => {
    const view = await make(usualView())
    await sql.unsafe(change.replaceAll('%v', view.name))
    const found = (await check(view)).filter((each) => /, (query|column): /.test(each))
    expect(found).toEqual(expected.map((each) => `public.${view.name}, ${each}`))
  })

  test('in everything at once has every difference told', async () => {
    const view = await make(usualView())
    await sql.unsafe(`
      drop materialized view ${view.name};
      create materialized view ${view.name} as select id from base with no data;
      comment on materialized view ${view.name} is 'other';
      grant update on ${view.name} to ${other}`)
    const kinds = (await readDrift(database, [view])).filter((each) => each.view === `public.${view.name}`)
    expect(new Set(kinds.map(({ kind }) => kind))).toEqual(
      new Set(['unpopulated', 'query', 'column', 'index', 'comment', 'grant']),
    )
  })

  test('away from what it reads is told, with what the server says', async () => {
    await sql`create table moving (id integer, old_name integer)`
    const view = await make(definition(`checked_${++made}`, 'select id,\n       old_name from public.moving'))
    await sql`alter table moving rename old_name to new_name`
    expect(await check(view)).toEqual([
      `public.${view.name}, query: its frozen SQL does not run here: column "old_name" does not exist`,
    ])
  })

  test('because an extension was moved is told, with both ways out', async () => {
    await sql.unsafe('create schema ext; create extension pg_trgm with schema public')
    const view = await make(
      definition(`checked_${++made}`, "select id, public.similarity(code, 'a') as like_a from public.base"),
    )
    await sql`alter extension pg_trgm set schema ext`
    expect(await check(view)).toEqual([
      `public.${view.name}, query: its frozen SQL does not run here: function public.similarity(character varying, unknown) does not exist. ` +
        "Extension pg_trgm is in schema ext here, and the SQL names public: write ext in the view's file and freeze, " +
        'or alter extension pg_trgm set schema public',
    ])
    const fixed = { ...view, sql: view.sql.replace('public.similarity', 'ext.similarity') }
    expect(await check(fixed)).toEqual([])
  })

  test('does not keep the others from being looked at', async () => {
    const views = [await make(usualView()), await make(usualView()), await make(usualView())] as const
    await sql.unsafe(`drop materialized view ${views[0].name}; drop index ${views[2].name}_key`)
    expect(await check(...views)).toEqual([
      `public.${views[0].name}, missing: it is not in this database`,
      `public.${views[2].name}, index: it lacks index ${views[2].name}_key`,
    ])
  })
})

describe('views that nobody has authored', () => {
  test('are named, whatever their schema, and those of extensions are not', async () => {
    await sql.unsafe(`
      create schema "Else"; create materialized view "Else"."Odd" as select 1 as id;
      create materialized view nobodys as select 1 as id;
      create materialized view of_extension as select 1 as id;
      alter extension plpgsql add materialized view of_extension`)
    const found = (await readDrift(database, [])).filter(({ kind }) => kind === 'unmanaged')
    const views = found.map(({ view }) => view)
    expect(views).toEqual(expect.arrayContaining(['"Else"."Odd"', 'public.nobodys']))
    expect(views).not.toContain('public.of_extension')
    expect(found[0]?.message).toBe('nobody has authored it')
    const later = await readDrift(database, [definition('nobodys', 'select 1 as id')])
    expect(later.map(({ view }) => view)).not.toContain('public.nobodys')
  })
})

describe('checking', () => {
  test('leaves no trace', async () => {
    const views = [
      await make(usualView()),
      await make(usualView({ sql: 'select 1 as id, $$x$$ as code, 2 as n' })),
    ]
    await sql.unsafe(`comment on materialized view ${views[0]?.name} is 'drifted'`)
    const before = await wholeCatalog(sql)
    expect(await check(...views, definition('never_there', 'select nothing'))).toHaveLength(2)
    expect(await wholeCatalog(sql)).toEqual(before)
    expect(await sql`select from viewkeeper.runs where view_name = ${views[0]?.name as string}`).toEqual([])
  })

  test('waits for a refresh of the view, and then says what is', async () => {
    await makeGatedView(sql, 'refreshed')
    const view = definition('refreshed', 'select b.* from (select 1 as id) b, refreshed_gate()', {
      indexes: [{ name: 'refreshed_key', unique: true, on: '(id)' }],
      comment: 'not there',
    })
    await withGateClosed(sql, 'refreshed', async (open) => {
      const refreshing = refresh({ view: 'refreshed', strategy: 'regular' }, callOn(database))
      await untilAtGate(sql, 'refreshed')
      const checking = check(view)
      await untilWaitingAgain(sql, 'viewkeeper drift', checking)
      await open()
      expect(await checking).toEqual([
        'public.refreshed, comment: its comment is none, and frozen as "not there"',
      ])
      expect(await refreshing).toMatchObject({ status: 'updated' })
    })
  })

  test('by two at once finds the same', async () => {
    const view = await make(usualView())
    await sql.unsafe(`drop index ${view.name}_key`)
    const told = [`public.${view.name}, index: it lacks index ${view.name}_key`]
    expect(await Promise.all(Array.from({ length: 8 }, () => check(view)))).toEqual(Array(8).fill(told))
  })
})

describe('what a definition depends on', () => {
  test('has to be frozen too, or a view of the database', async () => {
    await sql`create view plain_one as select 1 as id`
    const [first, second, third] = [0, 1, 2].map(() => usualView())
    await make(third!)
    const reading = {
      ...first!,
      dependsOn: ['public.plain_one', `public.${second!.name}`, `public.${third!.name}`],
    }
    await make(reading)
    await make(second!)
    expect(await check(reading, second!)).toEqual([])
    expect(await check({ ...reading, dependsOn: ['public.plain_on'] })).toEqual([
      `public.${first!.name}, dependsOn: its dependsOn names public.plain_on, but no view or table has that name: did you mean public.plain_one?`,
    ])
  })
})
