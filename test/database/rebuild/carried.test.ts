import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { changedObjects, namedCatalog } from '../../support/catalog/named-catalog.ts'
import { counts } from '../../support/counts.ts'
import { callOn, readersOf, useDatabase } from '../../support/servers/database.ts'

const { database, sql, url, as } = useDatabase()
const role = (name: string) => `${name}_${url.slice(-8)}`
/** Readers may keep an exchange waiting for long. */
const swap = (view: string) =>
  refresh({ view, strategy: 'swap' }, callOn(database, { waitUntil: Date.now() + 240_000 }))

describe('the exchange of a group', () => {
  test('carries triggers, rules, defaults, comments and options of the plain views between', async () => {
    const [owner, reader] = ['carry_owner', 'carry_reader'].map(role)
    await sql.unsafe(`
      create role ${owner}; create role ${reader};
      create schema carry; grant all on schema carry to ${owner}; grant usage on schema carry to ${reader};
      set local role ${owner};
      create table carry.t (id int, v int); insert into carry.t values (1, 1), (2, 2);
      create table carry.log (what text);
      create materialized view carry.below as select id, v from carry.t;
      create view carry.between with (security_barrier = true, security_invoker = true) as select id, v * 2 as w from carry.below;
      create view carry.checked as select id, w from carry.between where w > 2 with cascaded check option;
      create view carry."Local;" with (check_option = local) as select id from carry.checked;
      alter view carry.between alter column w set default 7;
      comment on column carry.between.w is 'twice';
      comment on view carry.checked is 'it''s checked';
      grant select (id), insert on carry.between to ${reader};
      create function carry.logs() returns trigger language plpgsql security definer as
        $$ begin insert into carry.log select tg_op || ' ' || tg_name || ' ' || coalesce(new.w, -1) || ' of ' || count(*) from carry.above; return new; end $$;
      create trigger "On ""insert""" instead of insert on carry.between for each row execute function carry.logs('a', 'b''c');
      comment on trigger "On ""insert""" on carry.between is 'of the trigger';
      create trigger statement_level after insert on carry.between for each statement when (pg_trigger_depth() < 9) execute function carry.logs();
      create materialized view carry.above as select sum(w) as total from carry."Local;" join carry.between using (id) join carry.below using (id);
      create rule "deletes; all" as on delete to carry.checked where old.id > 0 do instead
        insert into carry.log select 'rule ' || total || ' ' || (select count(*) from carry.below) from carry.above, carry.checked limit 1;
      create rule nothing as on delete to carry.checked do instead nothing;
      comment on rule nothing on carry.checked is 'of the rule';
      create view carry.outside as select total, logged from carry.above, (select count(*) as logged from carry.between) x;
      create rule outside_rule as on delete to carry.outside do instead nothing;
      reset role;
      insert into carry.t values (3, 3)`)
    const before = await namedCatalog(sql)
    for (let round = 0; round < 2; round++) {
      const result = await swap('carry.below')
      expect(result.error).toBeUndefined()
      expect(result).toMatchObject({ status: 'updated', response: { group: [{ view: 'carry.above' }] } })
      const after = await namedCatalog(sql)
      expect(after.rows).toEqual(before.rows)
      expect(changedObjects(before, after).filter((name) => /outside/.test(name))).toEqual([])
    }
    expect(await sql`select total::int, logged::int from carry.outside`).toEqual([{ total: 10, logged: 3 }])
    await sql.unsafe(`
      insert into carry.between (id) values (5); delete from carry.checked where id = 2`)
    expect(await sql`select what from carry.log`).toEqual([
      { what: 'INSERT On "insert" 7 of 1' },
      { what: 'INSERT statement_level -1 of 1' },
      { what: 'rule 10 3' },
    ])
  })

  test('writes functions and policies again that read members', async () => {
    const [owner, other, guest] = ['objects_owner', 'objects_other', 'objects_guest'].map(role)
    await sql.unsafe(`
      create role ${owner}; create role ${other}; create role ${guest};
      create schema objects; grant all on schema objects to ${owner}, ${other}; grant usage on schema objects to ${guest};
      create table objects.t as select 1 as id; grant select on objects.t to ${owner};
      create materialized view objects.below as select id from objects.t; alter materialized view objects.below owner to ${owner};
      create view objects.between as select id from objects.below; alter view objects.between owner to ${owner};
      create materialized view objects.above as select max(id) as id from objects.between join objects.below using (id); alter materialized view objects.above owner to ${owner};
      grant select on all tables in schema objects to ${other}, ${guest};
      create table objects.guarded as select i as id from generate_series(1, 5) i;
      alter table objects.guarded enable row level security; alter table objects.guarded owner to ${other};
      grant select on objects.guarded to ${guest};
      create policy p on objects.guarded for select to ${guest} using (id in (select id from objects.between union select id from objects.above));
      create function objects.f() returns bigint security definer begin atomic
        select sum(b.id) from objects.below b join objects.between using (id) cross join objects.above; end;
      alter function objects.f owner to ${other};
      insert into objects.t values (3)`)
    const before = await namedCatalog(sql)
    expect(await swap('objects.below')).toMatchObject({ status: 'updated' })
    const after = await namedCatalog(sql)
    expect(after.rows).toEqual(before.rows)
    expect(changedObjects(before, after).filter((name) => /pg_proc|pg_policy|guarded/.test(name))).toEqual([])
    expect(await sql`select objects.f()::int as n`).toEqual([{ n: 4 }])
    await sql.begin(async (transaction) => {
      await transaction.unsafe(`set local role ${guest}`)
      expect(await transaction`select id from objects.guarded order by id`).toEqual([{ id: 1 }, { id: 3 }])
    })
  })

  test('is done although a member reads a table with a policy, if the policy does not hold for the owner of the member', async () => {
    await sql.unsafe(`
      create schema tied;
      create table tied.t as select i as id from generate_series(1, 4) i;
      create materialized view tied.below as select id from tied.t; create index below_index on tied.below (id);
      create materialized view tied.above as select count(*) as n from tied.below, tied.t;
      alter table tied.t enable row level security;
      create policy p on tied.t using (id in (select id from tied.below))`)
    // The owner is a superuser, for whom the policy does not hold.
    expect(await swap('tied.below')).toMatchObject({ status: 'updated' })
    expect(await sql`select indexname from pg_indexes where schemaname = 'tied'`).toEqual([
      { indexname: 'below_index' },
    ])
  })

  test.each([
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
  ])('is refused if a member would be filled through %s', async (what, statement, reads, because) => {
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

  test('is refused, by name, if we may not act as the owner of a function or of a table with a policy', async () => {
    const [app, boss, other] = ['named_app', 'named_boss', 'named_other'].map(role)
    await sql.unsafe(`
      create role ${app} login password 'secret'; create role ${boss}; create role ${other};
      grant ${boss} to ${app}; grant usage on schema viewkeeper to ${app}; grant all on all tables in schema viewkeeper to ${app};
      do $$ begin execute format('grant create on database %I to ${app}', current_database()); end $$;
      create schema named; grant all on schema named to ${boss}; grant usage on schema named to ${other};
      create materialized view named.below as select 1 as id; create view named.between as select * from named.below;
      create materialized view named.above as select * from named.between join named.below using (id);
      alter materialized view named.below owner to ${boss}; alter view named.between owner to ${boss}; alter materialized view named.above owner to ${boss};
      grant select on named.between, named.above to ${other};
      create function named.f() returns bigint begin atomic select count(*) from named.between; end; alter function named.f owner to ${other};
      create table named.guarded (id int); create policy p on named.guarded using (id in (select id from named.above)); alter table named.guarded owner to ${other}`)
    const asApp = () => refresh({ view: 'named.below', strategy: 'swap' }, callOn(as(app as string).database))
    const { error } = await asApp()
    expect(error?.message).toContain(
      `function named.f() reads it, and ${app} may not act as its owner, ${other}`,
    )
    expect(error?.message).toContain(
      `policy p on table named.guarded reads it, and ${app} may not act as its owner, ${other}`,
    )
    expect(error?.message).toContain(`${other} may not create anything in schema named`)
    await sql.unsafe(`grant ${other} to ${app}; grant create on schema named to ${other}`)
    expect(await asApp()).toMatchObject({ status: 'updated' })
  })

  test('again and again under readers through a function, a policy and a view gives them no error', {
    timeout: 240_000,
  }, async () => {
    const guest = role('watched_guest')
    await sql.unsafe(`
      create role ${guest}; create schema watched; grant usage on schema watched to ${guest};
      create table watched.t as select i as id, 0 as round from generate_series(1, 50) i;
      create materialized view watched.below as select id, round from watched.t;
      create view watched.between as select id, round from watched.below;
      create materialized view watched.above as select max(b.round) as round, count(*) as n from watched.between b join watched.below using (id);
      create function watched.f() returns setof int begin atomic select b.round from watched.between b limit 1; end;
      create table watched.guarded as select i as id from generate_series(1, 60) i;
      alter table watched.guarded enable row level security;
      create policy p on watched.guarded using (id in (select id from watched.between));
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
      reader('select f = a.round and a.n = 50 as ok from watched.above a, watched.f()'),
      reader('select count(*) = 50 as ok from watched.guarded', `set role ${guest}`),
      reader('select max(b.round) = min(a.round) as ok from watched.between b, watched.above a'),
    ]
    for (let i = 0; i < counts.swapsUnderCarriedReaders; i++) {
      await sql`update watched.t set round = round + 1`
      expect(await swap('watched.below')).toMatchObject({ status: 'updated' })
    }
    stop = true
    await Promise.all(readers)
    expect(seen.length).toBeGreaterThan(counts.swapsUnderCarriedReaders * 5)
    expect(seen.filter((ok) => ok !== true)).toEqual([])
  })
})
