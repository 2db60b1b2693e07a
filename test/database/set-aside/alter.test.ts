import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { nameOf } from '../../../src/set-aside/plan/items.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { counts } from '../../support/counts.ts'
import { deep, eachCase, eachGroup } from '../../support/deep.ts'
import { administrator, readersOf, useDatabase } from '../../support/servers/database.ts'
import { ofTestsThemselves } from '../../support/servers/settings.ts'
import { callAlter } from '../../support/views/alter.ts'
import { definition } from '../../support/views/frozen.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { describeAll, rowsOf, useScene } from './scene.ts'

const { sql, database, as, url } = useDatabase()
const { login, anna, reader } = useScene(sql, 'alter')

const widen = 'alter table keep.orders alter column amount type bigint'
const typeOf = async () =>
  (
    await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'keep.orders'::regclass and attname = 'amount'`
  )[0]?.type

/** What another type of a column changes in the columns of the views. */
const withoutTypes = (described: unknown) =>
  JSON.parse(
    JSON.stringify(described).replaceAll(
      /"(attalign|attbyval|attlen|attstorage|atttypid|indclass)":("[^"]*"|\w+|-\d+|\[[^\]]*\])/g,
      '"$1":0',
    ),
  )

eachGroup(['superuser', 'member of the owners'], { quick: 1 })('as %s', (who) => {
  const db = () => (who === 'superuser' ? database : as(login).database)

  test('a column is rewritten under ten views of all kinds, and every row of the catalog about them is as before', async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    await callAlter(db(), 'alter table keep.orders alter column amount type integer using amount + 1 - 1')
    expect(await describeAll(sql)).toEqual(before)
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test(
    'who may do what on views whose privileges nobody has touched stays the same, though their schema has default privileges',
    deep,
    async () => {
      await sql.unsafe(`
      set role ${anna};
      alter default privileges in schema keep revoke select on tables from ${reader};
      create materialized view keep.untouched as select id, amount from keep.orders;
      create view keep.untouched_too as select id from keep.untouched;
      grant select (id) on keep.untouched_too to ${reader};
      alter default privileges in schema keep grant select on tables to ${reader};
      reset role;
      do $$ begin execute format('grant create on database %I to ${login}', current_database()); end $$`)
      const views = () => sql`
      select c.relname as view, to_jsonb(array(select a.attacl::text from pg_attribute a where a.attrelid = c.oid order by a.attnum)) as columns,
             (select jsonb_agg(to_jsonb(e) order by to_jsonb(e)) from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) e) as acl
        from pg_class c where c.oid in ('keep.untouched'::regclass, 'keep.untouched_too'::regclass) order by 1`
      const before = await views()
      await callAlter(db(), 'alter table keep.orders alter column id type integer using id + 1 - 1')
      expect(await views()).toEqual(before)
      await callAlter(db(), 'alter table keep.orders alter column id type integer using id + 1 - 1', {
        given: [
          definition('untouched', 'select id, amount + 1 as amount from keep.orders', { schema: 'keep' }),
        ],
      })
      expect(await views()).toEqual(before)
    },
  )

  test('what one role makes again has one seal, so that readers wait for few of them', deep, async () => {
    await sql.unsafe(`
      create table public.made_by (object text);
      create function public.note_seal() returns event_trigger language plpgsql as $$ begin
        insert into public.made_by select object_identity from pg_event_trigger_ddl_commands() where object_identity like '%viewkeeper_sealed_%'; end $$;
      grant insert on public.made_by to public; revoke execute on function public.note_seal from public;
      create event trigger note_seals on ddl_command_end when tag in ('CREATE FUNCTION') execute function public.note_seal()`)
    try {
      for (let at = 0; at < 20; at++) {
        await sql.unsafe(
          `set role ${anna}; create view keep.more_${at} as select amount + ${at} as more from keep.lines; reset role`,
        )
      }
      await callAlter(db(), widen)
      // Two owners, whose views read each other's.
      const seals = (await sql`select from public.made_by`).length
      expect(seals).toBeGreaterThan(0)
      expect(seals).toBeLessThan(15)
    } finally {
      await sql.unsafe(
        'drop event trigger note_seals; drop function public.note_seal; drop table public.made_by',
      )
    }
  })

  test('a column gets another type under them, and nothing else of the views changes', deep, async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    const items = await callAlter(db(), widen)
    expect(await typeOf()).toBe('bigint')
    expect(await rowsOf(sql)).toEqual(rows)
    expect(items.map(nameOf)).toHaveLength(10)
    expect(withoutTypes(await describeAll(sql))).toEqual(withoutTypes(before))
  })
})

/** What a dry run has found. */
async function dryRun(file: string): Promise<string[]> {
  const tried: string[] = []
  await callAlter(database, file, { dryRun: true, events: { onTried: (result) => tried.push(result) } })
  return tried
}

/** Expects that work is refused with this message, and that not one row of the catalog is another one. */
async function leavesEverything(work: () => Promise<unknown>, message: RegExp) {
  const [before, rows] = [await wholeCatalog(sql), await rowsOf(sql)]
  const refusal = await refusalOf(work())
  expect(refusal.message).toMatch(message)
  expect(await wholeCatalog(sql)).toEqual(before)
  expect(await rowsOf(sql)).toEqual(rows)
  return refusal
}

describe('a file that fails leaves everything as it was', () => {
  test('if a column goes that a view reads: the view and the column are named', async () => {
    const refusal = await leavesEverything(
      () => callAlter(database, 'alter table keep.orders drop column status'),
      /^view keep\.lines no longer fits: column "?(orders\.)?status"? does not exist \(42703\), at "(orders\.)?status"\. Nothing was changed\. Give a new definition/,
    )
    expect(refusal.code).toBe('ViewSqlFailed')
  })

  eachCase<[string, string, RegExp]>(
    [
      [
        'a column gets a type that a query cannot sum: the view, and the line with the column, are named',
        'alter table keep.orders alter column amount type text',
        /^materialized view keep\.totals no longer fits: .* \(42883\), at "sum\((orders\.)?amount\) AS total,"/,
      ],
      [
        'the SQL itself fails, with the line of the file',
        `${widen};\nselect nothing from keep.orders`,
        /^change\.sql, line 2: column "nothing" does not exist \(42703\)\. Nothing was changed\./,
      ],
      [
        'the file goes back to a savepoint that it has not set',
        `${widen}; savepoint mine; rollback to s0`,
        /^change\.sql: the file has set no savepoint s0: .*"rollback to s0" out \(3B001\)\. Nothing was changed\./,
      ],
      [
        'the file ends the transaction',
        `${widen}; commit`,
        /^change\.sql: the file begins or ends a transaction/,
      ],
      [
        'a block of it ends the transaction',
        `${widen}; do $$ begin commit; end $$`,
        /^change\.sql: .* \(2D000\)\. Nothing was changed\./,
      ],
      [
        'an index is built concurrently',
        `${widen}; create index concurrently i on keep.orders (day)`,
        /index concurrently cannot be part of a transaction/,
      ],
      ['it vacuums', 'vacuum keep.orders', /\(Vacuum\) cannot be part of a transaction/],
      ['it is no SQL', 'alter tabel x', /^change\.sql: syntax error at or near "tabel"/],
    ],
    { quick: 2 },
  )('if %s', async (_, file, message) => {
    await leavesEverything(() => callAlter(database, file), message)
    await leavesEverything(() => dryRun(file), message)
  })

  test('if the rows do not fit after the change: a dry run cannot know, the work does', async () => {
    await sql.unsafe(
      'create materialized view keep.shares as select id, 1000 / amount as share from keep.orders',
    )
    const change = 'alter table keep.orders alter column amount type integer using amount - 100'
    expect(await dryRun(change)).toEqual(['fits'])
    await leavesEverything(
      () => callAlter(database, change),
      /^materialized view keep\.shares cannot be filled: its data cannot be computed: division by zero \(22012\)\. Nothing/,
    )
  })
})

test('a file may go back to its own savepoint', deep, async () => {
  await callAlter(database, `savepoint mine; ${widen}; rollback to mine; ${widen}`)
  expect(
    await sql`select format_type(atttypid, -1) as type from pg_attribute where attrelid = 'keep.orders'::regclass and attname = 'amount'`,
  ).toEqual([{ type: 'bigint' }])
})

test('only the views that read the column stand in the way, with all that read them', async () => {
  const items = await callAlter(database, 'alter table keep.orders alter column day type date', {
    dryRun: true,
  })
  expect(items.map(nameOf)).toEqual([
    'keep.lines',
    'keep.open_lines',
    '"Odd one"."By Day"',
    'keep.labels',
    'far.summit',
  ])
  expect(
    await callAlter(
      database,
      'alter table keep.orders add column more integer; alter table keep.orders rename column status to state',
    ),
  ).toEqual([])
  expect(await sql`select label from keep.labels limit 1`).toHaveLength(1)
})

describe('a rename in the same file is refused, with the old and the new name, and nothing is changed:', () => {
  eachCase(
    [
      [
        'a column, after',
        'alter table keep.orders alter column amount type bigint; alter table keep.orders rename amount to total',
        'column amount of keep.orders, which is called total now',
      ],
      [
        'a column, before',
        'alter table keep.orders rename amount to total; alter table keep.orders alter column total type bigint',
        'column amount of keep.orders, which is called total now',
      ],
      [
        'a table, before',
        'alter table keep.orders rename to bills; alter table keep.bills alter column amount type bigint',
        'keep.orders, which is called keep.bills now',
      ],
      [
        'a table without a schema in the second statement',
        'alter table keep.orders rename to bills; set search_path to keep; alter table bills rename amount to total; alter table bills alter total type bigint',
        'keep.orders, which is called keep.bills now, and column amount of keep.orders, which is called total now',
      ],
      [
        'a table to another schema',
        'alter table keep.orders set schema far; alter table far.orders alter column amount type bigint; alter table far.orders rename to bills',
        'keep.orders, which is called far.bills now',
      ],
    ],
    { quick: 4 },
  )('%s', async (_, text, renamed) => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    expect((await refusalOf(callAlter(database, text))).message).toContain(`it reads ${renamed}. `)
    expect(await describeAll(sql)).toEqual(before)
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test(
    'in a file of its own, the server carries the rename, and another file changes the table',
    deep,
    async () => {
      const rows = await rowsOf(sql)
      expect(await callAlter(database, 'alter table keep.orders rename amount to total')).toEqual([])
      const items = await callAlter(database, 'alter table keep.orders alter column total type bigint')
      expect(items.map(nameOf)).toHaveLength(10)
      expect(await rowsOf(sql)).toEqual(rows)
    },
  )

  test('unless the file makes the view again, or its definition with the new name is given along', async () => {
    await sql.unsafe(`
      create table keep.v (x integer); insert into keep.v values (1);
      create view keep.on_v as select x from keep.v; create materialized view keep.of_v as select x from keep.v`)
    const items = await callAlter(
      database,
      'alter table keep.v rename x to y; alter table keep.v alter y type bigint; create view keep.on_v as select y as x from keep.v',
      { given: [definition('of_v', 'select y as x from keep.v', { schema: 'keep' })] },
    )
    expect(items.map(nameOf)).toEqual(['keep.on_v', 'keep.of_v'])
    expect(await sql`select a.x::int as a, b.x::int as b from keep.on_v a, keep.of_v b`).toEqual([
      { a: 1, b: 1 },
    ])
  })
})

test(
  'a primary key goes under a view that is grouped by it, and a partition under the views of its parent',
  deep,
  async () => {
    await sql.unsafe(`
    create materialized view keep.by_key as select id, amount, count(*) as n from keep.orders group by id;
    create table keep.parts (day date, x integer) partition by range (day);
    create table keep.part_1 partition of keep.parts for values from ('2026-01-01') to ('2026-02-01');
    insert into keep.parts values ('2026-01-05', 7);
    create materialized view keep.of_part as select sum(x) as x from keep.part_1`)
    const blocked = await refusalOf(
      callAlter(database, 'alter table keep.orders drop constraint orders_pkey'),
    )
    expect(blocked.message).toMatch(/keep\.by_key no longer fits: .*"orders.amount"/)
    const items = await callAlter(database, 'alter table keep.parts alter column x type bigint')
    expect(items.map(nameOf)).toEqual(['keep.of_part'])
    expect(await sql`select x::int from keep.of_part`).toEqual([{ x: 7 }])
  },
)

test('a new definition that is given along takes the place of the old one; grants and statistics stay', async () => {
  const given = definition(
    'totals',
    "select 'all' as status, sum(amount) as total, count(*) as n from keep.orders",
    {
      schema: 'keep',
      indexes: [{ name: 'totals_n', unique: false, on: '(n)' }],
      comment: 'new',
    },
  )
  const drop =
    'create view keep.states as select id, status from keep.orders; drop view keep.states; alter table keep.orders alter column status type text using upper(status)'
  await callAlter(database, drop, { given: [given] })
  expect(await sql`select status, total::int, n::int from keep.totals`).toEqual([
    { status: 'all', total: 20100, n: 200 },
  ])
  const [row] = await sql`
    select relowner::regrole::text as owner, obj_description(oid, 'pg_class') as comment, reloptions, relacl::text as acl,
           (select attstattarget::int from pg_attribute where attrelid = c.oid and attname = 'status') as target,
           array(select indexrelid::regclass::text from pg_index where indrelid = c.oid) as indexes
      from pg_class c where oid = 'keep.totals'::regclass`
  expect(row).toMatchObject({
    owner: 'alter_anna',
    comment: 'new',
    reloptions: ['fillfactor=70'],
    target: 500,
    indexes: ['keep.totals_n'],
  })
  expect(row?.acl).toContain('alter_bert=r*/alter_anna')
  const stranger = await refusalOf(callAlter(database, drop, { given: [{ ...given, name: 'elsewhere' }] }))
  expect(stranger.message).toContain('--with: keep.elsewhere')
})

test('a plain view that the file makes anew keeps its new query, and gets back what hung on it', async () => {
  const [before] =
    await sql`select relowner::regrole::text as owner, array(select unnest(relacl)::text order by 1) as acl from pg_class where oid = 'keep.lines'::regclass`
  await callAlter(
    database,
    `alter table keep.orders drop column status cascade;
     create or replace view keep.lines as select id, day, amount, 'open'::text as status from keep.orders`,
    {
      given: [
        definition(
          'totals',
          'select null::text as status, sum(amount) as total, count(*) as n from keep.orders',
          { schema: 'keep' },
        ),
        definition('big', "select id, amount * 2 as double, 'open' as status from keep.orders", {
          schema: 'keep',
        }),
        definition(
          'By Day',
          'select day as "The Day", sum(amount) as "Sum", null::text as s from keep.orders group by day',
          { schema: 'Odd one' },
        ),
      ],
    },
  )
  const [now] = await sql`
    select relowner::regrole::text as owner, array(select unnest(relacl)::text order by 1) as acl, obj_description(oid, 'pg_class') as comment,
           (select count(*)::int from pg_trigger where tgrelid = c.oid) as triggers from pg_class c where oid = 'keep.lines'::regclass`
  expect(now).toEqual({ ...before, comment: 'all lines', triggers: 1 })
  expect(await sql`select distinct status from keep.lines`).toEqual([{ status: 'open' }])
})

describe('what cannot be made again is refused by name, before anything is dropped:', () => {
  eachCase<[string, string, RegExp]>(
    [
      [
        'a column of the row type',
        'create table far.holder (id integer, line keep.lines)',
        /table far\.holder uses the row type of a view/,
      ],
      [
        'a function that returns rows of the view',
        `create function far.f() returns setof keep.totals language sql as 'select * from keep.totals'`,
        /function far\.f\(\) has the row type of a view in its signature/,
      ],
      [
        'a rule of a table',
        'create rule copies as on insert to far.secrets do also insert into keep.lines values (1)',
        /rule copies on table far\.secrets depends on a view or function in the way, and cannot be made again/,
      ],
      [
        'a function with a parsed body',
        'create function far.f() returns bigint begin atomic select count(*) from keep.totals; end',
        /function far\.f\(\) is never written again: type "drop function far\.f\(\)" before, and make it again after/,
      ],
      [
        'a policy',
        'create policy known on far.secrets using (status in (select status from keep.totals))',
        /policy known on table far\.secrets is never written again: type "drop policy known on far\.secrets" before/,
      ],
      [
        'a rule of a view',
        'create rule no_delete as on delete to keep.lines do instead nothing',
        /rule no_delete on keep\.lines is never written again: drop it before, and make it again after/,
      ],
      [
        'a default of a column of a view',
        `alter view keep.lines alter column status set default 'open'`,
        /the default of column status of keep\.lines is never written again/,
      ],
      [
        'a member of an extension',
        'alter extension plpgsql add view keep.lines',
        /view keep\.lines belongs to extension plpgsql/,
      ],
    ],
    { quick: 2 },
  )('%s', async (_, made, message) => {
    await sql.unsafe(made)
    const refusal = await leavesEverything(() => callAlter(database, widen), message)
    expect(refusal.code).toBe('DependentsExist')
    await sql.unsafe(`
      do $$ begin if exists (select from pg_depend where deptype = 'e' and objid = 'keep.lines'::regclass) then
        alter extension plpgsql drop view keep.lines; end if; end $$`)
  })

  test('a temporary view of another session', async () => {
    await whileLocked(
      url,
      'create temporary view mine as select amount from keep.orders; commit; begin',
      () =>
        leavesEverything(
          () => callAlter(database, widen),
          /view pg_temp_\d+\.mine is temporary, and belongs to .*process \d+ \(role /,
        ),
    )
  })

  test('a role as which the login may not act', async () => {
    await sql.unsafe(`do $$ begin if to_regrole('alter_stranger') is null then create role alter_stranger; end if; end $$;
      grant usage, create on schema keep to alter_stranger; grant select on keep.lines to alter_stranger;
      create view keep.foreign_one as select amount from keep.lines; alter view keep.foreign_one owner to alter_stranger`)
    const refusal = await leavesEverything(
      () => callAlter(as(login).database, widen),
      /alter_stranger, and \S+ may not act as alter_stranger\. Nothing was changed\.\n\n.* has to run:\n {2}grant alter_stranger to /,
    )
    expect(refusal.message).toContain('view keep.foreign_one')
  })
})

describe('locks', () => {
  test('a long report delays the change, and not the other readers', deep, async () => {
    const waits: string[] = []
    const work = await whileLocked(url, 'select * from keep.open_lines', async (holder) => {
      const going = callAlter(database, widen, {
        events: { onWait: (holders) => waits.push(holders) },
        huntMs: 60_000,
      })
      await readWhile(() => waits.length >= 5)
      expect(waits[0]).toContain(`process ${holder.pid} `)
      expect(waits[0]).toContain('a long report')
      return { going }
    })
    expect(await work.going).toHaveLength(10)
    expect(await typeOf()).toBe('bigint')
  })

  /** Reads the views again and again until `over`. Fails if a read waits for a lock for 10 s: at least five tries of the change are over by then, or it has not let go. */
  async function readWhile(over: () => boolean): Promise<void> {
    const session = postgres(url, { max: 1, connection: { ...ofTestsThemselves, lock_timeout: 10_000 } })
    while (!over()) await session`select count(*) from far.summit, keep.labels`
    await session.end()
  }

  test('a refresh that is going on is waited for', deep, async () => {
    const waited = Promise.withResolvers<void>()
    const { going } = await whileLocked(url, 'refresh materialized view keep.totals', async () => {
      const going = callAlter(database, widen, { events: { onWait: () => waited.resolve() } })
      await waited.promise
      return { going }
    })
    expect(await going).toHaveLength(10)
  })

  test('who gives up names the holder, and leaves everything', async () => {
    await whileLocked(url, 'select * from keep.totals', () =>
      leavesEverything(
        () => callAlter(database, widen, { huntMs: 0 }),
        /^The locks were not granted in time: process \d+ \(.*a long report.*\) holds AccessShareLock on keep\.totals\. Try again when that is done\. To end it/,
      ),
    )
  })

  test('readers of any view wait through the change, without an error, and then see the new one', async () => {
    const connections = readersOf(url)
    let over = false
    const errors: unknown[] = []
    let reads = 0
    const readers = ['keep.open_lines', 'far.summit', 'keep.top', '"Odd one"."By Day"'].map(async (view) => {
      while (!over) {
        await connections.unsafe(`select * from ${view}`).then(
          () => reads++,
          (error) => errors.push(error),
        )
      }
    })
    const types = ['bigint', 'integer', 'numeric']
    for (let at = 0; at < counts.changesUnderReaders || (reads <= 20 && errors.length === 0); at++) {
      const type = types[at % types.length]
      await callAlter(database, `alter table keep.orders alter column amount type ${type}`, {
        huntMs: 60_000,
      })
    }
    over = true
    await Promise.all(readers)
    await connections.end()
    expect(errors).toEqual([])
  })
})

test(
  'an option of a column that the server keeps for itself is not put back, neither of a view nor of a plain view',
  deep,
  async () => {
    // As 15.20 and 17.12 keep it, where no DDL can set it.
    await sql`
    update pg_attribute set attoptions = array['pg_attver=' || attrelid]
     where attrelid in (select oid from pg_class where relnamespace in ('keep'::regnamespace, 'far'::regnamespace) and relkind in ('m', 'v'))
       and attnum > 0 and attoptions is null`
    const items = await callAlter(database, 'alter table keep.orders alter column amount type bigint')
    expect(items.map(nameOf)).toContain('keep.lines')
  },
)

test(
  'a dry run of a file that takes longer than a second is undone, so that no reader waits for it',
  deep,
  async () => {
    const before = await wholeCatalog(sql)
    const slow = 'using case when pg_sleep(0.012) is null then 1 else amount end'
    expect(await dryRun(`alter table keep.orders alter column amount type bigint ${slow}`)).toEqual([
      'unknown',
    ])
    expect(await dryRun(widen)).toEqual(['fits'])
    expect(await wholeCatalog(sql)).toEqual(before)
  },
)

test('no reader of the views is locked out while alter proves that they can be made again', async () => {
  await makeGatedView(sql, 'proof')
  // The server checks a constant of the domain's array whenever it reads the text of the query.
  await sql.unsafe(`
    create domain checked as integer check (value = public.proof_gate());
    create table checked_base (id integer, amount integer);
    create materialized view checked_one as select id, amount, ('{1}'::checked[])[1] as one from checked_base;
    create view above_checked as select * from checked_one`)
  const readers = administrator(`${url}?lock_timeout=1`)
  await withGateClosed(sql, 'proof', async (open) => {
    const changing = callAlter(database, 'alter table checked_base alter column amount type bigint')
    await untilAtGate(sql, 'proof')
    expect(await readers`select count(*)::int as n from above_checked`).toEqual([{ n: 0 }])
    await open()
    expect((await changing).map(nameOf)).toEqual(['public.checked_one', 'public.above_checked'])
  })
  await readers.end()
})
