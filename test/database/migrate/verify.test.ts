import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import type { Verified } from '../../../src/migrate/try-frozen.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { administrator, callOn, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  migrateCall,
  useFolders,
  verifyFrozen,
} from '../../support/views/frozen.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { untilWaitingAgain } from '../../support/waiting/waiting.ts'

const folder = useFolders()
const { database, sql, url } = useDatabase()
const suffix = url.slice(-8)
const reader = `verify_reader_${suffix}`

beforeAll(async () => {
  await sql.unsafe(`
    create role ${reader};
    create table base (id integer, code varchar(10), n numeric);
    insert into base values (1, 'a', 1), (2, 'b', 2), (3, null, null)`)
})

/** Everything that verifying could leave behind. */
const everything = async () => ({
  catalog: await wholeCatalog(sql),
  record: await sql`
    select (select jsonb_agg(d) from viewkeeper.definitions d) as definitions, (select jsonb_agg(r) from viewkeeper.runs r) as runs,
           (select jsonb_agg(m) from viewkeeper.migrations m) as migrations`,
})

/** Tries what the folder has beyond its first migrations, and insists that nothing of it stays. */
async function verify(frozen: FrozenFolder, known = 0, on = database): Promise<Verified[]> {
  const migrations = await frozen.read()
  const before = await everything()
  try {
    return await verifyFrozen(on, migrations.slice(0, known), migrations.slice(known))
  } finally {
    expect(await everything()).toEqual(before)
  }
}

/** Freezes definitions one after another, each a change of what was before, and applies none. */
async function frozenIn(name: string, ...states: Definition[][]): Promise<FrozenFolder> {
  const frozen = await folder(name)
  for (const state of states) await frozen.freeze(state)
  return frozen
}

/** Has what was frozen so far really made, without a word of it in the journal: as somebody's own. */
async function make(frozen: FrozenFolder): Promise<number> {
  const migrations = await frozen.read()
  for (const { up } of migrations) await sql.unsafe(up.text)
  return migrations.length
}

/** What is frozen after what is there already: only the latter is tried. */
async function tryAfter(frozen: FrozenFolder, known: number): Promise<Verified[]> {
  const migrations = (await frozen.read()).slice(known)
  const before = await everything()
  try {
    return await verifyFrozen(database, [], migrations)
  } finally {
    expect(await everything()).toEqual(before)
  }
}

const grants = [{ privileges: ['select', 'update'], to: reader }]
const indexed = (name: string) => [{ name: `${name}_key`, unique: true, on: '(id)' }]

describe('trying what is about to be frozen says what it does, and leaves no trace, where', () => {
  test('a view is new', async () => {
    const frozen = await frozenIn('new', [
      definition('new_one', 'select id from public.base', { indexes: indexed('new_one'), grants }),
    ])
    expect(await verify(frozen)).toEqual([
      {
        name: '001_new_one',
        does: 'create',
        wayBack: {
          change: { does: 'drop', view: { schema: 'public', name: 'new_one' } },
          instead: null,
          drift: [],
          blocked: null,
        },
        dependents: [],
        indexes: 1,
        grants: 2,
        nullKey: null,
      },
    ])
  })

  test('a query is changed under views that read it', async () => {
    const first = definition('changed', 'select id from public.base', { indexes: indexed('changed'), grants })
    const frozen = await frozenIn('changed', [first])
    const known = await make(frozen)
    await sql.unsafe(`
      create view reads_changed as select id from changed;
      create view "Reads too" with (security_barrier) as select * from reads_changed join changed using (id)`)
    await frozen.freeze([{ ...first, sql: 'select id, n from public.base' }])
    expect(await tryAfter(frozen, known)).toEqual([
      expect.objectContaining({
        does: 'rebuild',
        dependents: ['"public"."Reads too"', '"public"."reads_changed"'],
        indexes: 1,
        grants: 2,
      }),
    ])
  })

  test('indexes, grants and the comment are changed', async () => {
    const first = definition('altered', 'select id, n from public.base', {
      indexes: indexed('altered'),
      grants,
    })
    const frozen = await frozenIn('altered', [first])
    const known = await make(frozen)
    await frozen.freeze([
      {
        ...first,
        indexes: [{ name: 'altered_key', unique: true, on: '(id, n)' }],
        grants: [],
        comment: 'new',
      },
    ])
    expect(await tryAfter(frozen, known)).toMatchObject([{ does: 'alter', indexes: 1, grants: 0 }])
  })

  test('a view is renamed, moved and changed at once', deep, async () => {
    await sql`create schema elsewhere`
    const first = definition('moving', 'select id from public.base', { indexes: indexed('moving') })
    const frozen = await frozenIn('moving', [first])
    const known = await make(frozen)
    const to = { schema: 'elsewhere', name: 'moved' }
    await frozen.freeze([{ ...first, ...to, sql: 'select id + 1 as id from public.base' }], {
      renames: [{ from: { schema: 'public', name: 'moving' }, to }],
    })
    expect(await tryAfter(frozen, known)).toMatchObject([{ does: 'rename' }, { does: 'rebuild', indexes: 1 }])
  })

  test('the view is like that already', async () => {
    const frozen = await frozenIn('same', [definition('same', 'select id from public.base', { grants })])
    await make(frozen)
    expect(await verify(frozen)).toMatchObject([{ does: null, grants: 2 }])
  })

  test('the view is like that already, and its search path is no other view’s', async () => {
    const pathed = definition('pathed', 'select 1 as id', { settings: { search_path: 'pg_catalog' } })
    const frozen = await frozenIn('pathed', [pathed])
    await make(frozen)
    await frozen.freeze([pathed, definition('unpathed', 'select id from base')])
    expect(await verify(frozen)).toMatchObject([{ does: null }, { does: 'create' }])
  })

  test('earlier migrations are not applied there yet: they are tried before', async () => {
    const frozen = await folder('pending')
    await frozen.write('001_table.up.sql', 'create table pending_base as select 1 as id, 2 as n;\n')
    await frozen.write('001_table.down.sql', 'drop table pending_base;\n')
    const first = definition('after_table', 'select id from public.pending_base')
    await frozen.freeze([first])
    await frozen.freeze([{ ...first, sql: 'select id, n from public.pending_base' }])
    expect(await verify(frozen, 2)).toMatchObject([{ name: '003_after_table', does: 'rebuild' }])
  })

  test('an index that is to be built concurrently is not there yet', async () => {
    const frozen = await folder('pending_index')
    await frozen.write(
      '001_index.up.sql',
      '-- concurrently, so that nobody waits\ncreate index concurrently base_n on base (n);\n',
    )
    await frozen.write('001_index.down.sql', 'drop index base_n;\n')
    await frozen.freeze([definition('beside_index', 'select id from public.base')])
    expect(await verify(frozen, 1)).toMatchObject([{ does: 'create' }])
  })

  test('somebody is refreshing the view: it is waited for', deep, async () => {
    await makeGatedView(sql, 'busy')
    const query = 'select b.* from (select 1 as id) b, public.busy_gate()'
    const frozen = await frozenIn(
      'busy',
      [definition('busy', query)],
      [definition('busy', query, { comment: 'c' })],
    )
    await withGateClosed(sql, 'busy', async (open) => {
      const refreshing = refresh({ view: 'busy', strategy: 'regular' }, callOn(database))
      await untilAtGate(sql, 'busy')
      const trial = verifyFrozen(database, [], (await frozen.read()).slice(1))
      await untilWaitingAgain(sql, 'viewkeeper freeze', trial)
      await open()
      expect(await refreshing).toMatchObject({ status: 'updated' })
      expect(await trial).toMatchObject([{ does: 'alter' }])
    })
  })
})

describe('no reader of the views is locked out while a change is tried, where', () => {
  /** Tries what is frozen after `known` while the gate is closed, and reads the views without any patience. */
  async function readMeanwhile(gate: string, frozen: FrozenFolder, known: number, views: string[]) {
    const migrations = (await frozen.read()).slice(known)
    const readers = administrator(`${url}?lock_timeout=1`)
    try {
      await withGateClosed(sql, gate, async (open) => {
        const trial = verifyFrozen(database, [], migrations)
        await untilAtGate(sql, gate)
        for (const view of views) expect(await readers.unsafe(`select count(*) from ${view}`)).toHaveLength(1)
        await open()
        expect(await trial).toMatchObject([{ wayBack: { instead: null, blocked: null } }])
      })
    } finally {
      await readers.end()
    }
  }

  test('the query is slow, and its key is looked at', async () => {
    const rows = 'select id from public.base'
    await makeGatedView(sql, 'slow_one', rows)
    await sql`create materialized view above_slow_one as select * from slow_one`
    // The server comes to the gate first, in whatever order it would join: the rows depend on the gate.
    const query = `select b.* from public.slow_one_gate() gate, lateral (${rows} where gate = 1 offset 0) b`
    const first = definition('slow_one', query, { indexes: indexed('slow_one') })
    const frozen = await frozenIn('slow_one', [first], [{ ...first, sql: `${query} where true` }])
    await readMeanwhile('slow_one', frozen, 1, ['slow_one', 'above_slow_one'])
  })

  test('an index is made on its rows, and other views read it', deep, async () => {
    const first = definition('reindexed', 'select id, code from public.base', {
      indexes: indexed('reindexed'),
    })
    const frozen = await frozenIn('reindexed', [first])
    const known = await make(frozen)
    await sql.unsafe(`
      create view above_reindexed as select * from reindexed;
      create materialized view on_reindexed as select * from above_reindexed`)
    await frozen.freeze([{ ...first, indexes: [{ name: 'reindexed_key', on: '(id, code)' }] }])
    await whileLocked(url, 'select from above_reindexed; select from on_reindexed', async () => {
      expect(await tryAfter(frozen, known)).toMatchObject([{ does: 'alter', indexes: 1 }])
    })
  })

  test('views change together: no lock on any of them is more than that of a reader', deep, async () => {
    const first = definition('one_of_two', 'select id, n from public.base', {
      indexes: indexed('one_of_two'),
    })
    const above = definition('two_of_two', 'select id, sum(n) as s from one_of_two group by id')
    const frozen = await frozenIn('two_of_two', [first, above])
    const known = await make(frozen)
    await sql`create view over_both as select a.id, b.s from one_of_two a join two_of_two b using (id)`
    await frozen.freeze(
      [
        { ...first, sql: 'select id, n as m from public.base' },
        { ...above, sql: 'select id, sum(m) as s from one_of_two group by id' },
      ],
      { reads: new Map([['"public"."two_of_two"', ['"public"."one_of_two"']]]) },
    )
    await whileLocked(url, 'select from over_both', async () => {
      expect(await tryAfter(frozen, known)).toMatchObject([
        { does: 'rebuild', dependents: ['"public"."over_both"'] },
      ])
    })
  })
})

describe('trying what is about to be frozen is refused, and leaves no trace, where', () => {
  /** Insists on this refusal. */
  async function refused(work: Promise<unknown>, message: RegExp, sqlstate?: string): Promise<void> {
    const refusal = await refusalOf(work)
    expect(refusal.message).toMatch(message)
    expect(refusal).toMatchObject({ code: 'MigrationFailed', ...(sqlstate && { details: { sqlstate } }) })
  }

  eachCase<[string, Partial<Definition>, RegExp, string]>(
    [
      [
        'the query has no such column',
        { sql: '-- first line\nselect id,\n       nothing\n  from public.base' },
        /^public\.refused, line 3 of its query: column "nothing" does not exist \(42703\)\. Nothing was written\.$/,
        '42703',
      ],
      [
        'what the query reads is not there',
        { sql: 'select id from public.nowhere' },
        /line 1 of its query: relation "public\.nowhere" does not exist/,
        '42P01',
      ],
      [
        'an index is on no column of it',
        { indexes: [{ name: 'refused_key', on: '(nothing)' }] },
        /refused_key.*column "nothing" does not exist/,
        '42703',
      ],
      [
        'nobody has the role that is granted something',
        { grants: [{ privileges: ['select'], to: `nobody_${suffix}` }] },
        new RegExp(`role "nobody_${suffix}" does not exist`),
        '42704',
      ],
      [
        'nobody has the role, whose name begins as ours do',
        { grants: [{ privileges: ['select'], to: `viewkeeper_app_${suffix}` }] },
        new RegExp(`role "viewkeeper_app_${suffix}" does not exist`),
        '42704',
      ],
      [
        'a privilege is none',
        { grants: [{ privileges: ['usage'], to: reader }] },
        /invalid privilege type USAGE/,
        '0LP01',
      ],
      ['a setting is none', { settings: { work_mem: 'plenty' } }, /work_mem/, '22023'],
      ['the schema is not there', { schema: 'nowhere' }, /schema "nowhere" does not exist/, '3F000'],
    ],
    { quick: 2 },
  )('%s', async (what, change, message, sqlstate) => {
    const view = definition('refused', 'select id from public.base', change)
    await refused(verify(await frozenIn(what, [view])), message, sqlstate)
  })

  test('an index is to be unique, and the rows of the view are not', async () => {
    const first = definition('doubled', 'select 1 as id from public.base')
    const frozen = await frozenIn('doubled', [first])
    const known = await make(frozen)
    await frozen.freeze([{ ...first, indexes: indexed('doubled') }])
    await refused(tryAfter(frozen, known), /doubled_key/, '23505')
  })

  test('only a setting is changed, to none', async () => {
    const view = definition('set', 'select 1 as id')
    const frozen = await frozenIn('set', [view])
    const known = await make(frozen)
    await frozen.freeze([{ ...view, settings: { work_mem: 'plenty' } }])
    await refused(tryAfter(frozen, known), /work_mem/, '22023')
  })

  test('an earlier one that is not applied there does not run: its file and line are named', async () => {
    const frozen = await frozenIn(
      'earlier',
      [definition('bad', 'select id,\n       nothing\n  from public.base')],
      [
        definition('good', 'select 1 as id'),
        definition('bad', 'select id,\n       nothing\n  from public.base'),
      ],
    )
    await refused(
      verify(frozen, 1),
      /^migrations\/001_bad\.up\.sql, line 12: column "nothing" does not exist \(42703\)/,
    )
  })

  test('somebody’s own SQL ends the transaction in which it is tried', async () => {
    const frozen = await folder('commits')
    await frozen.write('001_own.up.sql', 'begin;\ncreate table left_over (id integer);\ncommit;\n')
    await frozen.write('001_own.down.sql', 'drop table left_over;\n')
    await frozen.freeze([definition('after_commit', 'select 1 as id')])
    await refused(verify(frozen, 1), /migrations\/001_own\.up\.sql/)
  })
})

describe('what may surprise later is told', () => {
  eachCase<[string, string, string, string | null]>(
    [
      ['some rows lack', 'select id, code from public.base', '(code)', 'code'],
      [
        'some rows lack a part of',
        'select id, code as "Code" from public.base',
        '(id, "Code")',
        'id, "Code"',
      ],
      ['all rows have', 'select id, code from public.base where code is not null', '(code)', null],
      ['nobody knows whether all rows have', 'select id / 0 as id from public.base', '(id)', null],
      [
        'it would take too long to know whether all rows have',
        'select coalesce(length(pg_sleep(600)::text), 1) as id',
        '(id)',
        null,
      ],
    ],
    { quick: 2 },
  )('a key that %s', async (what, query, on, expected) => {
    const view = definition('keyed', `${query} -- the end`, {
      indexes: [{ name: 'keyed_key', unique: true, on }],
    })
    const [verified] = await verify(await frozenIn(`key that ${what}`, [view]))
    expect(verified).toMatchObject({ does: 'create', nullKey: expected })
  })
})

describe('a database that has migrations', () => {
  const other = useDatabase()

  test('has only those tried that it lacks, and what is about to be frozen', async () => {
    const frozen = await frozenIn('applied', [definition('one', 'select 1 as id')])
    await migrateUp(migrateCall(other.database), await frozen.read())
    await frozen.freeze([definition('one', 'select 1 as id'), definition('two', 'select id from public.one')])
    await frozen.freeze([
      definition('one', 'select 1 as id'),
      definition('two', 'select id from public.one'),
      definition('three', 'select id from public.two'),
    ])
    const migrations = await frozen.read()
    const before = await wholeCatalog(other.sql)
    expect(await verifyFrozen(other.database, migrations.slice(0, 2), migrations.slice(2))).toMatchObject([
      { name: '003_three', does: 'create' },
    ])
    expect(await wholeCatalog(other.sql)).toEqual(before)
  })
})

describe('a database without schema viewkeeper', () => {
  const bare = useDatabase({ migrated: false })

  test('has views tried as any other, and gets no schema by it', async () => {
    const migrations = await (await frozenIn('bare', [definition('one', 'select 1 as id')])).read()
    const before = await wholeCatalog(bare.sql)
    expect(await verifyFrozen(bare.database, [], migrations)).toMatchObject([{ does: 'create' }])
    expect(await verifyFrozen(bare.database, migrations, [])).toEqual([])
    expect(await wholeCatalog(bare.sql)).toEqual(before)
  })
})

describe('a check of a definition', () => {
  const query = 'select id, code from public.base'

  eachCase(
    [
      [
        'a column that is gone',
        'select gone from checked',
        'check "own" cannot be made: column "gone" does not exist (42703)',
      ],
      [
        'a write',
        'select from checked union all select from (select public.check_write()) w',
        'check "own" cannot be made: read only sql transaction (25006)',
      ],
      [
        'a write in a condition that holds for no row',
        'select 1 from checked where id < 0 and public.note(id)',
        'check "own" calls public.note(integer), which writes: a check may only read (25006)',
      ],
      [
        'a write behind an operator',
        'select 1 from checked where id operator(public.~~>) 1',
        'check "own" calls public.note(integer,integer), which writes: a check may only read (25006)',
      ],
      [
        'a write for each row',
        'select public.note_row(c) from checked c',
        'check "own" writes: a check may only read (25006)',
      ],
      [
        'old data through a plain view',
        'select 1 from checked join public.over_checked o using (id)',
        'check "own" reads public.checked through a plain view or a function',
      ],
    ],
    { quick: 2 },
  )('is refused by name: %s', async (name, own, message) => {
    await sql.unsafe(`
      create or replace function public.check_write() returns int language sql as 'delete from public.base returning 1';
      create or replace function public.note(int) returns boolean strict language sql as 'delete from public.base returning true';
      create or replace function public.note(int, int) returns boolean language sql as 'select public.note($1)';
      create or replace function public.note_row(anyelement) returns boolean language plpgsql as 'begin delete from public.base; return true; end';
      drop operator if exists public.~~> (int, int);
      create operator public.~~> (function = public.note, leftarg = int, rightarg = int);
      drop materialized view if exists public.checked cascade;
      create materialized view public.checked as ${query};
      create view public.over_checked as select * from public.checked`)
    const frozen = await folder(`check ${name}`)
    await frozen.freeze([definition('checked', query)])
    const known = await make(frozen).catch(() => 1)
    await frozen.freeze([definition('checked', query, { checks: { own } })])
    await expect(verify(frozen, known)).rejects.toThrow(message)
  })

  test('is tried without the rows of the view, so what it would find does not matter, nor what its functions say to a value', async () => {
    await sql`create function public.insist(value int) returns boolean stable language plpgsql as $$
      begin if value is distinct from 7 then raise 'no'; end if; return true; end $$`
    const frozen = await folder('good check')
    await frozen.freeze([
      definition('good_check', query, {
        checks: {
          notEmpty: true,
          unique: [['code', 'id']],
          none: 'select 1 / 0 from good_check where public.insist(id)',
        },
      }),
    ])
    expect(await verify(frozen)).toMatchObject([{ does: 'create' }])
  })

  test('of a view that reads another one of the same freeze is tried on nothing but its columns, and refused for the same', async () => {
    const views = (check: string) => [
      definition('month_category', 'select id, code, n as revenue from public.base'),
      definition('report', 'select code, sum(revenue) as revenue from public.month_category group by code', {
        dependsOn: ['public.month_category'],
        checks: { notEmpty: true, unique: [['code']], none: check },
      }),
    ]
    const good = 'select 1 from report where revenue < 0'
    for (const check of [good, `${good} and exists (select from public.month_category)`])
      expect(await verify(await frozenIn(`good ${check.length}`, views(check)))).toMatchObject([
        { does: 'create' },
        { does: 'create' },
      ])
    const bad = await frozenIn('bad check of two', views('select gone from report'))
    await expect(verify(bad)).rejects.toThrow('check "none" cannot be made: column "gone" does not exist')
    await sql`create function public.note_sum(numeric) returns boolean strict language sql as 'delete from public.base returning true'`
    const writing = await frozenIn('writing check', views(`${good} and public.note_sum(revenue)`))
    await expect(verify(writing)).rejects.toThrow('calls public.note_sum(numeric), which writes')
  })
})
