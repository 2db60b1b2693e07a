import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { checkView } from '../../../src/watch/check.ts'
import { deep, eachGroup } from '../../support/deep.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { escapeAndForge, useHostileDatabase } from '../../support/servers/hostile.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders, verifyFrozen } from '../../support/views/frozen.ts'
import { between } from '../../support/waiting/between.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { until } from '../../support/waiting/until.ts'

// The code of a view's owner runs as that owner, or as the owner of what Viewkeeper makes; as no other role.

const place = useHostileDatabase()
const folder = useFolders()
const { run, arm, breaches, whoRan } = place
const logins: [string, () => Database][] = [
  ['the login of create-role', () => place.database],
  ['a superuser', () => place.root],
]

let made = 0
const newName = () => `v${++made}`

/** A query that executes mallory's code whenever the server parses its text. */
const trap = "select id, '{7}'::m.dom[] as trap from m.base"

const waitKey = 4712

/** Makes a view as mallory. */
async function mallorysView(query = trap, more = (_view: string) => ''): Promise<string> {
  const view = `m.${newName()}`
  await run('mallory', `create materialized view ${view} as ${query}; ${more(view)}`)
  return view
}

/** Authors a view that Viewkeeper is to create. */
async function author(more: Partial<Definition> = {}): Promise<string> {
  const view = `made.${newName()}`
  await define(place.sql, view, { sql: trap, ...more })
  return view
}

const expectOnly = async (...roles: string[]) => {
  expect({ breaches: await breaches(), who: await whoRan() }).toEqual({ breaches: [], who: roles })
}

/** The role that owns what Viewkeeper creates. */
async function makersRole(): Promise<string> {
  const view = await author({ sql: 'select 1 as id' })
  await create({ view }, callOn(place.database))
  const [row] =
    await place.sql`select relowner::regrole::text as owner from pg_class where oid = ${view}::regclass`
  return row?.owner
}

eachGroup(logins, { quick: 1 })(
  'by %s, the code of an owner in the text of a view runs as that owner when',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test.each(['auto', 'swap'] as const)('the view is refreshed (%s)', async (strategy) => {
      const view = await mallorysView()
      const result = await refresh({ view, strategy }, callOn(as()))
      await expectOnly('mallory')
      expect(result).toMatchObject({ status: 'updated' })
    })

    test('the code is in an expression of an index', async () => {
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create index on ${name} ((id + cardinality('{7}'::m.dom[])))`,
      )
      const result = await refresh({ view, strategy: 'swap' }, callOn(as()))
      await expectOnly('mallory')
      expect(result).toMatchObject({ status: 'updated' })
    })

    test('the code is in an expression of a statistics object', async () => {
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create statistics m.${newName()} on id, (id + cardinality('{7}'::m.dom[])) from ${name}`,
      )
      const result = await refresh({ view, strategy: 'swap' }, callOn(as()))
      await expectOnly('mallory')
      expect(result).toMatchObject({ status: 'updated' })
    })

    test("the code is in a plain view that reads somebody else's view", async () => {
      const view = `a.${newName()}`
      await run(
        'alice',
        `create materialized view ${view} as select 1 as id; grant select on ${view} to mallory`,
      )
      await run('mallory', `create view m.${newName()} as select id, '{7}'::m.dom[] as trap from ${view}`)
      const result = await refresh({ view, strategy: 'swap' }, callOn(as()))
      await expectOnly('mallory')
      expect(result).toMatchObject({ status: 'updated' })
    })

    test('the view is compared with its definition (check)', async () => {
      const view = await mallorysView()
      await readDrift(as(), [definition(view.slice(2), trap, { schema: 'm' })])
      await expectOnly('mallory')
    })

    test('the view is adopted', async () => {
      const view = await mallorysView()
      const [described] = (await describeViews(as(), [view])).filter(isDefined)
      const frozen = await folder(`adopt ${view}`)
      await frozen.freeze([described!.definition])
      await deleteRows(place.sql, 'migrations')
      await verifyFrozen(as(), [], await frozen.read())
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })

    test('a migration gives the view another query', async () => {
      const view = await mallorysView('select id from m.base')
      const frozen = await folder(`rebuild ${view}`)
      await frozen.freeze([definition(view.slice(2), trap, { schema: 'm' })])
      await deleteRows(place.sql, 'migrations')
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })
  },
)

eachGroup(logins, { quick: 1 })(
  'by %s, the code of a view runs as the role that its definition names when',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test('the view is created, also in the place of another one', async () => {
      const view = await author({ owner: 'mallory' })
      for (const force of [false, true])
        expect(await create({ view, force }, callOn(as()))).toMatchObject({ status: 'created' })
      await expectOnly('mallory')
    })

    test('a migration makes the view', async () => {
      const frozen = await folder(newName())
      await frozen.freeze([definition(newName(), trap, { schema: 'made', owner: 'mallory' })])
      await deleteRows(place.sql, 'migrations')
      await verifyFrozen(as(), [], await frozen.read())
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })

    test('a migration gives the view to the role, with another query', async () => {
      const name = newName()
      await run('alice', `create materialized view made.${name} as select 1 as id`)
      const frozen = await folder(name)
      await frozen.freeze([definition(name, trap, { schema: 'made', owner: 'mallory' })])
      await deleteRows(place.sql, 'migrations')
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })
  },
)

eachGroup(logins, { quick: 1 })(
  'by %s, an owner does not become another one by a view that changes hands:',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test('the old query is executed by nobody', async () => {
      const view = await mallorysView()
      const frozen = await folder(`take ${view}`)
      await frozen.freeze([definition(view.slice(2), 'select 1 as id', { schema: 'm', owner: 'alice' })])
      await deleteRows(place.sql, 'migrations')
      await run('mallory', 'grant usage, create on schema m to alice')
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly()
    })

    test('an index that nobody authored is refused', async () => {
      const index = newName()
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create index ${index} on ${name} ((id + cardinality('{7}'::m.dom[])))`,
      )
      const frozen = await folder(`take ${view}`)
      await frozen.freeze([
        definition(view.slice(2), 'select id from m.base', { schema: 'm', owner: 'alice' }),
      ])
      await deleteRows(place.sql, 'migrations')
      expect((await refusalOf(migrateUp(migrateCall(as()), await frozen.read()))).message).toContain(
        `${view} cannot be given to alice, because nobody has authored its index ${index}, whose expressions would run as alice`,
      )
      await expectOnly()
    })
  },
)

eachGroup(logins, { quick: 1 })(
  'by %s, the code in the text of an authored view runs as the owner of what is created when',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test('the view is created', async () => {
      const view = await author()
      const result = await create({ view }, callOn(as()))
      await expectOnly(await makersRole())
      expect(result).toMatchObject({ status: 'created' })
    })

    test('the code is in an expression of its index', async () => {
      const view = await author({
        sql: 'select id from m.base',
        indexes: [{ name: newName(), on: "((id + cardinality('{7}'::m.dom[])))" }],
      })
      const result = await create({ view }, callOn(as()))
      await expectOnly(await makersRole())
      expect(result).toMatchObject({ status: 'created' })
    })

    test('the view comes by a migration', async () => {
      const frozen = await folder(newName())
      await frozen.freeze([definition(newName(), trap, { schema: 'made' })])
      await deleteRows(place.sql, 'migrations')
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly(await makersRole())
    })

    test('nulls are looked for in its key before it is frozen', async () => {
      const name = newName()
      const frozen = await folder(name)
      const query = { schema: 'made', indexes: [{ name: `${name}_id`, unique: true, on: '(id)' }] }
      await frozen.freeze([definition(name, 'select m.evil() as id', query)])
      await deleteRows(place.sql, 'migrations')
      expect(await verifyFrozen(as(), [], await frozen.read())).toMatchObject([{ nullKey: null }])
      await expectOnly(await makersRole())
    })

    test('the view is tried before it is frozen', async () => {
      const frozen = await folder(newName())
      await frozen.freeze([definition(newName(), trap, { schema: 'made' })])
      await deleteRows(place.sql, 'migrations')
      await verifyFrozen(as(), [], await frozen.read())
      await expectOnly(await makersRole())
    })
  },
)

eachGroup(logins, { quick: 1 })(
  'by %s, what an owner leaves to be executed later runs as that owner too:',
  (_, as) => {
    const swapTrapped = async () => {
      const view = await mallorysView()
      return refresh({ view, strategy: 'swap' }, callOn(as()))
    }

    test.each(['regular', 'concurrent', 'swap'] as const)(
      'a temporary type with the name of a type of the catalog (%s)',
      async (strategy) => {
        await arm('')
        await run(
          'mallory',
          `create or replace function m.name_a_type() returns integer language plpgsql as $$
         begin
           if to_regtype('pg_temp.text') is null then
             execute 'create domain pg_temp.text as pg_catalog.text check (m.evil() = 7)';
           end if;
           return 1;
         exception when insufficient_privilege then
           return 1; -- 15.20 and 17.12 refuse the attack themselves
         end $$`,
        )
        const view = await mallorysView('select m.name_a_type() as id')
        await run('mallory', `create unique index on ${view} (id)`)
        const result = await refresh({ view, strategy }, callOn(as()))
        await expectOnly(...(await whoRan()).filter((role) => role === 'mallory'))
        expect(result).toMatchObject({ status: 'updated' })
      },
    )

    test('a deferred trigger at commit, which the server refuses as in any refresh', async () => {
      await arm('insert into m.deferred values (0);')
      const result = await swapTrapped()
      await expectOnly('mallory')
      expect(result).toMatchObject({ status: 'error', error: { sqlstate: '42501' } })
    })

    test('a deferred trigger that, fired early, queues another one', async () => {
      await arm('insert into m.deferred values (1);')
      await swapTrapped()
      await expectOnly('mallory')
    })

    test('a cursor with hold, whose query is executed at commit', async () => {
      await arm(`
      begin
        execute format('declare %I cursor with hold for select m.late()', gen_random_uuid());
      exception when others then null;
      end;`)
      await swapTrapped()
      await expectOnly('mallory')
    })

    test('a function that was made as that owner in this transaction, and that the owner replaces', async () => {
      await arm(replaceFunctionsMadeJustNow)
      await swapTrapped()
      await expectOnly('mallory')
    })

    test('an object with the name of the shadow, after the query of the shadow was executed', async () => {
      await arm(takeNamesOfCopies)
      const view = await mallorysView(
        'select m.evil() as id',
        (name) => `create unique index on ${name} (id)`,
      )
      await refresh({ view, strategy: 'swap' }, callOn(as()))
      await expectOnly('mallory')
    })

    test('an object with the name of the shadow, after an index of the shadow was parsed', async () => {
      await arm(takeNamesOfCopies)
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create index on ${name} ((id + cardinality('{7}'::m.dom[])))`,
      )
      await refresh({ view, strategy: 'swap' }, callOn(as()))
      await expectOnly('mallory')
    })
  },
)

/** Replaces every function that was made as her, except those that she made herself in schema m. */
const replaceFunctionsMadeJustNow = `
  for found in
    select p.oid::regprocedure as signature, p.proname, n.nspname, pg_get_function_arguments(p.oid) as arguments,
           pg_get_function_result(p.oid) as result
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where p.proowner = current_user::regrole and n.nspname <> 'm'
  loop
    begin
      execute format('create or replace function %I.%I(%s) returns %s language plpgsql security invoker as %L',
        found.nspname, found.proname, found.arguments, found.result, 'begin perform m.late(); end');
    exception when others then null;
    end;
    begin
      execute format('alter function %s rename to %I', found.signature, 'old_' || found.proname);
      execute format('create function %I.%I(%s) returns %s language plpgsql security invoker as %L',
        found.nspname, found.proname, found.arguments, found.result, 'begin perform m.late(); end');
    exception when others then null;
    end;
  end loop;`

const takeNamesOfCopies = `
  for found in
    select relname from pg_class where relnamespace = 'm'::regnamespace and relkind = 'm' and relname like 'viewkeeper%'
  loop
    begin
      execute format('alter materialized view m.%I rename to %I', found.relname, 'stolen_' || found.relname);
      execute format('create view m.%I as select m.late() as id', found.relname);
    exception when others then null;
    end;
  end loop;`

eachGroup(logins, { quick: 1 })(
  'by %s, functions and operators of an owner whose code sets the search path replace none of the catalog when',
  (_, as) => {
    beforeAll(async () => {
      await run('mallory', shadows)
      await arm("perform pg_catalog.set_config('search_path', 'm, pg_catalog', false);")
    })

    test('a view is swapped', async () => {
      const view = await mallorysView()
      await refresh({ view, strategy: 'swap' }, callOn(as()))
      expect(await breaches()).toEqual([])
    })

    test('an index is read', async () => {
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create index on ${name} ((id + cardinality('{7}'::m.dom[])))`,
      )
      await refresh({ view, strategy: 'swap' }, callOn(as()))
      expect(await breaches()).toEqual([])
    })

    test('a view is compared with its definition', async () => {
      const view = await mallorysView()
      await readDrift(as(), [definition(view.slice(2), trap, { schema: 'm' })])
      expect(await breaches()).toEqual([])
    })

    test('a migration gives a view another query', async () => {
      const view = await mallorysView('select id from m.base')
      const frozen = await folder(`shadowed ${view}`)
      await frozen.freeze([definition(view.slice(2), trap, { schema: 'm' })])
      await deleteRows(place.sql, 'migrations')
      await migrateUp(migrateCall(as()), await frozen.read()).catch(() => {})
      expect(await breaches()).toEqual([])
    })

    test('a view is created, and analyzed after the commit', async () => {
      const view = await author({})
      await create({ view }, callOn(as()))
      expect(await breaches()).toEqual([])
    })
  },
)

/**
 * Functions and operators with the names of the catalog's. They do the same, and write down who called them.
 */
const shadows = [
  ['set_config', 'text, text, boolean', 'text'],
  ['format', 'text, variadic text[]', 'text'],
  ['to_jsonb', 'integer', 'jsonb'],
  ['pg_notify', 'text, text', 'void'],
  ['cardinality', 'anyarray', 'integer'],
  ['clock_timestamp', '', 'timestamptz'],
  ['pg_backend_pid', '', 'integer'],
  ['jsonb_array_length', 'jsonb', 'integer'],
  ['md5', 'text', 'text'],
  ['to_regclass', 'text', 'regclass'],
  ['current_setting', 'text', 'text'],
  ['jsonb ->> text'],
  ['jsonb -> text'],
  ['jsonb #>> text[]'],
  ['jsonb ? text'],
  ['text || text'],
  ['text = text'],
  ['bigint = bigint'],
  ['bigint = integer'],
  ['integer = integer'],
  ['timestamptz > timestamptz'],
  ['timestamptz - timestamptz'],
]
  .map((each, at) => {
    const body = (call: string, result: string) => `language plpgsql set search_path = '' as $shadow$
      begin
        if session_user <> 'mallory' then perform public.keep(${`'shadow of ${each[0]}'`}, current_user); end if;
        ${result === 'void' ? `perform ${call}` : `return ${call}`};
      end $shadow$`
    const [name, args, result] = each
    if (args !== undefined) {
      const passed =
        args === ''
          ? []
          : args.split(', ').map((arg, i) => `${/variadic/.test(arg) ? 'variadic ' : ''}$${i + 1}`)
      return `create function m.${name}(${args}) returns ${result} ${body(`pg_catalog.${name}(${passed.join(', ')})`, result!)};`
    }
    const [left, operator, right] = name!.split(' ') as [string, string, string]
    const results: Record<string, string> = {
      '->>': 'text',
      '->': 'jsonb',
      '#>>': 'text',
      '||': 'text',
      '-': 'interval',
    }
    const gives = results[operator] ?? 'boolean'
    return `create function m.operator_${at}(${left}, ${right}) returns ${gives} ${body(`$1 operator(pg_catalog.${operator}) $2`, gives)};
      create operator m.${operator} (leftarg = ${left}, rightarg = ${right}, function = m.operator_${at});`
  })
  .map((text) =>
    text
      .replace('create function', 'create or replace function')
      .replace(
        /create operator (.*?);/s,
        'do $do$ begin create operator $1; exception when duplicate_function then null; end $do$;',
      ),
  )
  .join('\n')

describe('functions that were made as a victim in this transaction', () => {
  test("cannot be called by an owner whose function the victim's view calls", async () => {
    await run(
      'mallory',
      `create function m.helper(integer) returns boolean language plpgsql security definer as $$
       declare found record;
       begin
         for found in
           select p.oid::regprocedure as signature, n.nspname, p.proname from pg_catalog.pg_proc p
             join pg_catalog.pg_namespace n on n.oid = p.pronamespace
            where n.nspname not in ('a', 'm') and p.pronargs = 1 and p.proargtypes[0] in ('text'::regtype, 'jsonb'::regtype)
              and p.proowner in ('alice'::regrole, 'viewkeeper'::regrole, 'viewkeeper_app'::regrole)
         loop
           begin
             execute format('select %I.%I(%L)', found.nspname, found.proname, 'drop table a.precious');
           exception when others then null;
           end;
         end loop;
         perform public.keep('helped', current_user);
         return true;
       end $$;
       create domain m.help as integer check (m.helper(value))`,
    )
    const view = `a.${newName()}`
    await run(
      'alice',
      `create table a.precious as select 1 as id;
       create materialized view ${view} as select id, m.helper(id) as helped, '{7}'::m.help[] as help from a.precious;
       create index on ${view} ((id + cardinality('{7}'::m.help[])))`,
    )
    for (const strategy of ['swap', 'regular'] as const)
      expect(await refresh({ view, strategy }, callOn(place.database))).toMatchObject({ status: 'updated' })
    await expectOnly('mallory')
    expect(await place.sql`select id from a.precious`).toEqual([{ id: 1 }])
  })
})

describe('settings that the code of an owner leaves behind do not change the record of another run when', () => {
  /** Makes another run, whose record the settings point to. */
  async function otherRun() {
    const view = await mallorysView('select id from m.base')
    const { runId } = await refresh({ view, strategy: 'regular' }, callOn(place.database))
    await arm(`
      perform pg_catalog.set_config('viewkeeper.run', '${runId}', false);
      perform pg_catalog.set_config('statement_timeout', '0', false);
      perform pg_catalog.set_config('lock_timeout', '1', false);
      perform pg_catalog.set_config('application_name', 'viewkeeper run ${runId} exchange', false);`)
    const record = async () =>
      (await place.sql`select to_jsonb(r) as run from viewkeeper.runs r where id = ${runId}`)[0]?.run
    return { runId, record, before: await record() }
  }

  test.each(['regular', 'swap'] as const)('a view is refreshed (%s)', async (strategy) => {
    const { record, before, runId } = await otherRun()
    const view = await mallorysView(`${trap} where m.evil() > 0`)
    const result = await refresh({ view, strategy }, callOn(place.database))
    expect(await record()).toEqual(before)
    expect(result).toMatchObject({ status: 'updated' })
    expect(result.runId).not.toBe(runId)
  })

  test('a migration gives a view another query, and the journal names the run that did it', async () => {
    const { record, before } = await otherRun()
    const view = await mallorysView('select id from m.base')
    const frozen = await folder(`settings ${view}`)
    await frozen.freeze([definition(view.slice(2), trap, { schema: 'm' })])
    await deleteRows(place.sql, 'migrations')
    const { applied } = await migrateUp(migrateCall(place.database), await frozen.read())
    const journal = await place.sql`select run_id as "runId" from viewkeeper.migrations`
    expect({ other: await record(), journal }).toEqual({
      other: before,
      journal: [{ runId: applied[0]?.runId }],
    })
  })
})

describe('rows are never counted as a role that the owner could make run her code', deep, () => {
  const impostors: [string, (view: string) => string][] = [
    [
      'a plain view',
      (view) => `create view ${view} as select m.late() as id; grant select on ${view} to public`,
    ],
    [
      'a table with row security',
      (view) => `
        create table ${view} as select 1 as id; grant select on ${view} to public;
        alter table ${view} enable row level security; alter table ${view} force row level security;
        create policy evil on ${view} using (m.late() > 0)`,
    ],
  ]
  const exact = (view: string, strategy: 'regular' | 'concurrent' | 'swap') =>
    refresh({ view, strategy }, callOn(place.database))
  const counted = () => mallorysView('select id from m.base', (view) => `create unique index on ${view} (id)`)

  test.each([
    ['an index expression', (view: string) => `create index on ${view} ((id + m.constant()))`],
    ['the predicate of an index', (view: string) => `create index on ${view} (id) where id > m.constant()`],
    [
      'a statistics object',
      (view: string) => `create statistics m.${newName()} on id, (id + m.constant()) from ${view}`,
    ],
  ])('with a constant of her own in %s', async (_, more) => {
    await run(
      'mallory',
      'create or replace function m.constant() returns integer immutable language plpgsql as $$ begin return m.evil(); end $$',
    )
    await arm(escapeAndForge)
    const view = await mallorysView(
      'select id from m.base',
      (name) => `create unique index on ${name} (id); ${more(name)}`,
    )
    for (const strategy of ['regular', 'concurrent', 'swap'] as const)
      expect(await exact(view, strategy)).toMatchObject({
        status: 'updated',
        response: { rowCountAfter: 3 },
      })
    await drop({ view }, callOn(place.database))
    await expectOnly('mallory')
  })

  test('by code that puts something else in the place of the result', async () => {
    await run(
      'mallory',
      `create or replace function m.swap() returns integer language plpgsql as $$
       declare seal text := (select oid::regclass::text from pg_class where relname like 'viewkeeper_sealed_%' limit 1);
       begin
         if seal is null then return 1; end if;
         execute format('alter materialized view %s rename to taken_%s', seal, (random() * 1e9)::integer);
         execute format('create view %s as select m.late()::bigint as rows; grant select on %s to public', seal, seal);
         return 1;
       end $$;
       create or replace function m.constant() returns integer immutable language plpgsql as $$ begin return m.swap(); end $$`,
    )
    const view = await mallorysView(
      'select id from m.base',
      (name) => `create index on ${name} (id) where id > m.constant()`,
    )
    expect(await exact(view, 'regular')).toMatchObject({ status: 'updated', response: { rowCountAfter: 3 } })
    await expectOnly()
  })

  test('if she puts other schemas in the place of those that have helpers while a check is made', async () => {
    const there = newName()
    await place.sql`grant create on database hostile to mallory`
    // Her code tells the names of helpers, and waits until another session of hers has acted on that.
    await run(
      'mallory',
      `create schema ${there}; create materialized view ${there}.kept as select id from m.base;
         create or replace function m.constant() returns integer immutable language plpgsql as $$ begin return m.wait(); end $$;
         create or replace function m.wait() returns integer language plpgsql volatile as $$
         declare told boolean := false; helper record;
         begin
           if session_user = 'mallory' then return 1; end if;
           for helper in select relname from pg_class where relname ~ '^viewkeeper_[a-z]' and relkind in ('m', 'v')
                           and relnamespace = (select oid from pg_namespace where nspname = '${there}') loop
             perform public.keep('helper ' || helper.relname, 'mallory');
             told := true;
           end loop;
           if told then perform pg_advisory_lock_shared(${waitKey}); perform pg_advisory_unlock_shared(${waitKey}); end if;
           return 1;
         end $$;
         create index on ${there}.kept (id) where id > m.constant()`,
    )
    await define(place.sql, `${there}.kept`, { checks: place.sql.json({ notEmpty: true }) })
    await arm(escapeAndForge)
    const holder = place.session('postgres')
    await holder`select pg_advisory_lock(${waitKey})`
    const done = checkView(place.database, `${there}.kept`)
    const helpers = () => place.sql<{ name: string }[]>`
        select distinct substr(did, 8) as name from public.loot where did like 'helper %'`
    await until('her code knows the helpers', async () => (await helpers()).length > 0)
    const impostors = (await helpers()).map(
      ({ name }) => `create view ${there}."${name}" as select jsonb_build_object('rows', m.late()) as found;`,
    )
    await run(
      'mallory',
      `alter schema ${there} rename to ${there}_old; create schema ${there}; ${impostors.join(' ')}`,
    )
    await holder`select pg_advisory_unlock(${waitKey})`
    await done.catch(() => {})
    expect(await breaches()).toEqual([])
    expect(await whoRan()).toEqual(['mallory'])
  })

  test('of a view whose schema another one takes the place of after the claim', async () => {
    const [there, other] = [newName(), newName()]
    await place.sql`grant create on database hostile to mallory`
    await run(
      'mallory',
      `create schema ${there}; grant usage, create on schema ${there} to alice;
       create schema ${other}; create materialized view ${other}.kept as select id from m.base;
       create or replace function m.constant() returns integer immutable language plpgsql as $$ begin return m.evil(); end $$;
       create index on ${other}.kept ((id + m.constant()));
       grant usage, create on schema ${other} to alice; grant select on ${other}.kept to alice`,
    )
    await run('alice', `create materialized view ${there}.kept as select 1 as id`)
    await arm(escapeAndForge)
    const [refreshed] = await place.whileRunsStop('claimed', async (stopped) => {
      const refreshed = exact(`${there}.kept`, 'regular')
      await stopped()
      await run(
        'mallory',
        `alter schema ${there} rename to ${there}_gone; alter schema ${other} rename to ${there}`,
      )
      return [refreshed]
    })
    // The server refreshes what has the name, as its owner.
    expect(await refreshed).toMatchObject({ status: 'updated' })
    await expectOnly('mallory')
  })

  describe.each(impostors)('if %s has taken the name', (_, impostor) => {
    /** Refreshes, and lets mallory's impostor take the name when the run has come to `at`. */
    async function refreshWhileTaken(at: 'claimed' | 'success', strategy: 'regular' | 'concurrent' | 'swap') {
      const view = await counted()
      const works = await place.whileRunsStop(at, async (stopped) => {
        const refreshed = exact(view, strategy).catch(() => {})
        await stopped()
        // She gets the name at once, or she is the first to get the lock when the run releases it.
        const taken = run(
          'mallory',
          `alter materialized view ${view} rename to old_${made}; ${impostor(view)}`,
        )
        await Promise.race([taken, untilWaiting('mallory')])
        return [refreshed, taken]
      })
      await Promise.all(works)
      await untilIdle()
    }

    test.each(['regular', 'concurrent', 'swap'] as const)('before the refresh (%s)', async (strategy) => {
      await refreshWhileTaken('claimed', strategy)
      expect(await breaches()).toEqual([])
    })

    test('after the refresh, without a row count from the refresh itself (regular)', async () => {
      await place.sql`alter role viewkeeper_app set track_counts = off`
      await refreshWhileTaken('success', 'regular')
      await place.sql`alter role viewkeeper_app reset track_counts`
      expect(await breaches()).toEqual([])
    })

    test('after the refresh, by the code of its own query (concurrent)', async () => {
      const view = await mallorysView(
        'select id, m.evil() as n from m.base',
        (name) => `create unique index on ${name} (id)`,
      )
      await arm(takeName(view, impostor(view)))
      await exact(view, 'concurrent').catch(() => {})
      expect(await breaches()).toEqual([])
    })

    test('after a create, by the code of its own query', async () => {
      const view = await author({ sql: 'select id, m.evil() as n from m.base' })
      await arm(takeName(view, impostor(view)))
      await create({ view }, callOn(place.database)).catch(() => {})
      expect(await breaches()).toEqual([])
    })
  })
})

const takeName = (view: string, impostor: string): string => `
  begin
    execute 'alter materialized view ${view} rename to ${view.split('.')[1]}_old';
    execute $$${impostor}$$;
  exception when others then null;
  end;`

/** Waits until a session of this role stands before a lock. */
const untilWaiting = (role: string) =>
  until(`${role} waits for a lock`, async () => {
    const [row] = await place.sql`
      select from pg_stat_activity where usename = ${role} and wait_event_type = 'Lock' and state = 'active'`
    return row !== undefined
  }).catch(() => {}) // the role may not have to wait

/** Waits until no run has anything to do any more, not even aside. */
const untilIdle = () =>
  until('no run has a plan left', async () => {
    const [row] = await place.sql`select from viewkeeper.runs where plan is not null`
    return row === undefined
  })

test(
  'the range of a refresh by slices is read as the owner of the column, whose type may get a check at any moment',
  deep,
  async () => {
    await arm(escapeAndForge)
    let sent = 0
    let ranAsOwner = 0
    for (let at = 1; at <= sent + 1; at++) {
      const name = newName()
      await run(
        'mallory',
        `create domain m.${name}_dom as integer;
       create table m.${name}_base (k m.${name}_dom); insert into m.${name}_base values (1), (2);
       ${makeKept(`m.${name}`, `select k, count(*) as n from m.${name}_base group by k`)}`,
      )
      sent = 0
      const attacked = between(place.database, async () => {
        if (++sent === at)
          await run('mallory', `alter domain m.${name}_dom add check (m.evil(value)) not valid`)
      })
      // There is no such slice, so no more is executed than the question.
      const asked = { view: `m.${name}`, slices: { from: '2', to: '1' } }
      await expect(refresh(asked, callOn(attacked))).rejects.toMatchObject({ code: 'InvalidRequest' })
      expect({ at, breaches: await breaches() }).toEqual({ at, breaches: [] })
      if ((await whoRan()).includes('mallory')) ranAsOwner++
    }
    expect(ranAsOwner).toBeGreaterThan(0)
  },
)

describe('a policy on a table that a view of ours reads', () => {
  test.each(['regular', 'concurrent', 'swap'] as const)(
    "never runs as a role that can write the record or read other people's data (%s)",
    async (strategy) => {
      await arm()
      const table = `m.orders_${++made}`
      await run('mallory', `create table ${table} as select 1 as id; grant select on ${table} to public`)
      const name = `index_${made}`
      const view = await author({
        sql: `select id from ${table}`,
        indexes: [{ name, unique: true, on: '(id)' }],
      })
      expect(await create({ view }, callOn(place.database))).toMatchObject({ status: 'created' })
      await run(
        'mallory',
        `alter table ${table} enable row level security; alter table ${table} force row level security;
         create policy evil on ${table} using (m.late() > 0)`,
      )
      await refresh({ view, strategy }, callOn(place.database))
      expect({
        breaches: await breaches(),
        settings: await place.sql`select key from viewkeeper.switches`,
      }).toEqual({
        breaches: [],
        settings: [],
      })
    },
  )
})

describe('the connections of a batch', deep, () => {
  /** Views that say what the session of their run has kept of an earlier run. Their code leaves more, and attacks the envelope. */
  const leaving = `
    with found as materialized (
      select count(*)::integer as locks, pg_catalog.current_setting('m.left', true) as setting
        from pg_catalog.pg_locks where pid = pg_catalog.pg_backend_pid() and locktype = 'advisory' and objid = 4711)
    select found.*, m.evil() as n from found`

  async function refreshAll(): Promise<{ owner: string; pid: number; view: string }[]> {
    const names = [await mallorysView(leaving), await mallorysView(leaving), await mallorysView(leaving)]
    for (const _ of [1, 2]) {
      const name = `a.${newName()}`
      await run('alice', `create materialized view ${name} as select 1 as id`)
      names.push(name)
    }
    // Views of different time limits share no message.
    for (const [at, name] of names.entries()) await define(place.sql, name, { timeout_seconds: 600 + at })
    const batchId = await begin(place.database, {
      views: names,
      strategy: 'regular',
      concurrency: 1,
      retries: 0,
    })
    await advanceToEnd(place.database, batchId)
    expect(
      await place.sql`select view_name, error from viewkeeper.runs where batch_id = ${batchId} and status <> 'success'`,
    ).toEqual([])
    for (const name of names.slice(0, 3))
      expect(await place.sql`select locks, nullif(setting, '') as setting from ${place.sql(name)}`).toEqual([
        { locks: 0, setting: null },
      ])
    return place.sql`
      select c.relowner::regrole::text as owner, r.backend_pid as pid, r.view_name as view
        from viewkeeper.runs r join pg_class c on c.oid = to_regclass(format('%I.%I', r.schema_name, r.view_name))
       where r.batch_id = ${batchId}`
  }
  const pidsOf = (owner: string, runs: { owner: string; pid: number }[]) =>
    new Set(runs.filter((each) => each.owner === owner).map(({ pid }) => pid))

  const leave = `
    perform pg_catalog.pg_advisory_lock(4711);
    perform pg_catalog.set_config('m.left', 'yes', false);`

  test('serve several views, but of one owner only, which find nothing that a run has left', async () => {
    await arm(leave)
    const runs = await refreshAll()
    const [hers, others] = [pidsOf('mallory', runs), pidsOf('alice', runs)]
    expect([...hers].filter((pid) => others.has(pid))).toEqual([])
    expect(hers.size + others.size).toBeLessThan(5)
  })

  test('serve no other view after code has attacked their envelope', async () => {
    await arm(`
      ${leave}
      declare
        attack text;
      begin
        foreach attack in array array[
          'drop procedure pg_temp.viewkeeper_envelope()', 'call pg_temp.viewkeeper_envelope()',
          'create or replace procedure pg_temp.viewkeeper_envelope() language sql as $_$ select 1 $_$',
          'create procedure pg_temp.viewkeeper_envelope(i integer default 1) language sql as $_$ select 1 $_$'] loop
          begin
            execute attack;
          exception when others then
            null;
          end;
        end loop;
      end;`)
    expect(pidsOf('mallory', await refreshAll()).size).toBe(3)
    expect(await breaches()).toEqual([])
  })

  test('execute no code of a role to whom a view is given while its run waits', async () => {
    const { sql, database } = place
    const [first, given] = [await mallorysView('select 1 as id'), await mallorysView('select 1 as id')]
    for (const view of [first, given]) await define(sql, view, { retry_delay_seconds: 0 })
    const reader = place.session('postgres')
    await reader.unsafe(`begin; select from ${given}`)
    const [holder] = await reader`select pg_backend_pid() as pid`
    const batchId = await begin(database, {
      views: [first, given],
      strategy: 'regular',
      concurrency: 1,
      retries: 1,
    })
    const ended = advanceToEnd(database, batchId)
    const runsOf = (view: string) => sql`
      select backend_pid as pid, status, error ->> 'class' as class from viewkeeper.runs
       where batch_id = ${batchId} and view_name = ${view.slice(2)} order by attempt`
    await until('the run waits', async () => (await runsOf(given))[0]?.status === 'running')
    const giving = sql.unsafe(`alter materialized view ${given} owner to alice`).execute()
    await until('only the reader is in the way of the new owner', async () => {
      const [waiting] = await sql`
        select pg_blocking_pids(pid) as by from pg_stat_activity where query like ${`alter%${given} owner to alice`} and wait_event_type = 'Lock'`
      return waiting?.by.length === 1 && waiting.by[0] === holder?.pid
    })
    await reader.unsafe('commit')
    await giving
    expect(await ended).toMatchObject({ status: 'success' })
    const [[session], [refused, done]] = [await runsOf(first), await runsOf(given)]
    expect(refused).toMatchObject({ status: 'failed', class: 'CatalogChanged' })
    expect(done?.status).toBe('success')
    expect([session?.pid, refused?.pid]).not.toContain(done?.pid)
  })

  test('execute no code of a role to whom a view is given while a concurrent refresh waits', async () => {
    const { sql, database } = place
    const view = await mallorysView('select 1 as id')
    await sql.unsafe(`create unique index on ${view} (id)`)
    await define(sql, view, { retry_delay_seconds: 0 })
    const giver = place.session('postgres')
    await giver.unsafe(`begin; alter materialized view ${view} owner to alice`)
    const [holder] = await giver`select pg_backend_pid() as pid`
    const batchId = await begin(database, {
      views: [view],
      strategy: 'concurrent',
      concurrency: 1,
      retries: 1,
    })
    const ended = advanceToEnd(database, batchId)
    await until('the run waits for who gives the view away', async () => {
      const [run] = await sql`
        select from viewkeeper.runs where batch_id = ${batchId} and ${holder?.pid}::integer = any (pg_blocking_pids(backend_pid))`
      return run !== undefined
    })
    await giver.unsafe('commit')
    expect(await ended).toMatchObject({ status: 'success' })
    const runs = await sql`
      select status, error ->> 'class' as class from viewkeeper.runs where batch_id = ${batchId} order by attempt`
    expect([...runs]).toEqual([
      { status: 'failed', class: 'CatalogChanged' },
      { status: 'success', class: null },
    ])
  })

  test('are opened by a login, too, that may make nothing temporary', async () => {
    await arm('null;')
    await place.sql.unsafe('revoke temporary on database hostile from public')
    expect(await refreshAll()).toHaveLength(5)
    await place.sql.unsafe('grant temporary on database hostile to public')
  })
})

test(
  'the code of one view puts nothing in the way of the next changed query of a migration',
  deep,
  async () => {
    const [base, mid, top] = [newName(), newName(), newName()]
    await place.sql.unsafe(
      'grant create on database hostile to viewkeeper_app; grant usage on schema a to mallory',
    )
    await run(
      'alice',
      `create or replace function a.known(integer) returns integer language sql as 'select $1';
     create materialized view a.${base} as select 1 as id, 2 as old; grant select on a.${base} to public; grant create on schema a to mallory`,
    )
    await run(
      'mallory',
      `create materialized view a.${mid} as select id, '{7}'::m.dom[] as trap from a.${base}; grant select on a.${mid} to public`,
    )
    await run(
      'alice',
      `create materialized view a.${top} as select m.id, b.old as more from a.${mid} m, a.${base} b`,
    )
    await deleteRows(place.sql, 'migrations')
    await place.sql.unsafe(`alter role viewkeeper_app in database hostile set search_path = a`)
    await arm(`
    declare shadows name;
    begin
      for shadows in select nspname from pg_catalog.pg_namespace where nspname like 'viewkeeper%' and nspname <> 'viewkeeper' loop
        execute pg_catalog.format('create function %I.known(integer) returns integer language plpgsql as $f$ begin perform m.late(); return 1; end $f$', shadows);
      end loop;
    end;`)
    const frozen = await folder(`shadows ${top}`)
    await frozen.freeze([
      definition(base, 'select 1 as id, 2 as old', { schema: 'a' }),
      definition(top, `select m.id, b.old as more from a.${mid} m, a.${base} b`, { schema: 'a' }),
    ])
    const changed = [
      definition(base, 'select 1 as id, 2 as more', { schema: 'a' }),
      definition(top, `select ${mid}.id, known(more) as more from ${mid}, ${base}`, { schema: 'a' }),
    ]
    const refusal = await refusalOf(frozen.freezeOn(place.database, changed, { only: changed }))
    await place.sql.unsafe(`alter role viewkeeper_app in database hostile reset search_path`)
    expect(refusal.message).toMatch(
      /The code of a view made function viewkeeper.*known\(integer\) among the shadows/,
    )
    await expectOnly('mallory')
  },
)
