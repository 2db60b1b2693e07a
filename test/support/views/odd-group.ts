import type { Sql } from '../../../src/server/database.ts'

/** A name of 60 bytes. */
const long = `"${'é'.repeat(30)}"`
const b = `"B ""Schema"""`
const uni = '"Ünï çödé"'

type Kind = 'materialized view' | 'view'

/** The members: kind, name, the number of the owner, options and query. Each reads the root, or what reads the root. */
const members: [Kind, string, 0 | 1 | 2, string, string][] = [
  [
    'materialized view',
    'a.root',
    0,
    'with (fillfactor = 71, autovacuum_enabled = off, toast.autovacuum_enabled = off)',
    'select *, id as root from a.base',
  ],
  ['view', 'a.same', 1, '', 'select id, upper(grp) as "G g" from a.root'],
  [
    'materialized view',
    `${b}.same`,
    1,
    'with (user_catalog_table = false)',
    `select same.id, same.grp, same.feel from a.root as same where feel = 'it''s ok' or d in ('d1', 'd2')`,
  ],
  [
    'materialized view',
    `${b}."Reads both"`,
    2,
    '',
    `select id, two.grp, one."G g" as same, c.n from a.same one full join ${b}.same two using (id), lateral (select count(*) as n from a.same, ${b}.same as same_1) c`,
  ],
  [
    'materialized view',
    `${uni}.${long}`,
    2,
    '',
    'with root as (select 1 as id), same as materialized (select * from a.root) select root.id as one, same.id, same.body from root, same, a.root as x where x.id = same.id',
  ],
  [
    'materialized view',
    `${uni}."Row cast"`,
    2,
    '',
    `select (q.x).grp as grp, (q.x).id, ((q.x)::a.root).n + coalesce((null::a.root).n, 1) as n, cardinality(q.many) as c, ('{}'::a.root[])[1] is null as empty
       from (select r::a.root as x, array_agg(r) over () as many from a.root r) q`,
  ],
  [
    'view',
    `${uni}."lat;eral -- view"`,
    2,
    'with (security_barrier)',
    `select r.id, s.v, s.o, f.x from a.root r cross join lateral generate_series(1, r.id) with ordinality s(v, o)
       left join lateral rows from (a.series(r.id), unnest(array[1, 2])) f(x, y, z) on f.x = s.v where r.id between 2 and 4`,
  ],
  [
    'materialized view',
    `${long}.${long}`,
    0,
    '',
    `select l.id, sum(l.v) filter (where l.o > 1) as total, string_agg(l.x::text, ';' order by l.v desc) as xs, percentile_cont(0.5) within group (order by l.v) as mid
       from ${uni}."lat;eral -- view" l join ${uni}.${long} using (id) group by grouping sets ((l.id), ())`,
  ],
  [
    'materialized view',
    `${long}."order"`,
    0,
    '',
    `with recursive walk(id, path) as (
       select id, array[id] from a.root where id = 1 union all select root.id, path || root.id from walk join a.root on root.id = walk.id + 1)
       search depth first by id set ord select id, path from walk order by ord desc limit 5 offset 1`,
  ],
  [
    'view',
    'a.a',
    0,
    '',
    'select a.root, a.id, root.id as a from a.root a, a.root where a.root = root.id and a.root between 0 and 100',
  ],
  [
    'materialized view',
    'a."from"',
    1,
    '',
    `select root.id, extract(year from at) as y, substring(body from 1 for 2) as s, trim(both 'x' from body) as t, overlay(body placing 'o' from 1 for 1) as o,
            position('x' in body) as p, root.id is distinct from 3 as different, at::timestamp at time zone 'utc' as utc, grp collate ${b}."my C" as c,
            root.id operator(a.<+>) 1 as plus, 'a.root' as text, cast(root.n as a.small) as small
       from a.root, only a.base_1 base(i, c1, c2, c3, c4, c5, c6, c7, c8) where root.id = i`,
  ],
  [
    'materialized view',
    `${b}."join"`,
    1,
    '',
    `(select id, grp from a.root where id in (select id from ${b}.same) union all select id, grp from ${b}.same)
      except select id, 'g9' from a.same where exists (select from a.root where root.id = same.id) or "G g" = any (array(select upper(grp) from a.root))
      intersect (select id, grp from ${b}."Reads both" order by 1 limit 100)`,
  ],
  [
    'materialized view',
    `${long}."ranges; and domains"`,
    2,
    'with (parallel_workers = 2)',
    `select int4range(id, id + 2) * span as span, range_agg(span) over () as many, d::a.dom, array['q', d]::a.dom[] as ds, row(id, grp)::a.pair as pair, feel, pairs,
            (pairs[1]).b from a.root tablesample system (100) repeatable (1)`,
  ],
  [
    'materialized view',
    `${long}."windows"`,
    1,
    '',
    `select id, rank() over w, lag(id) over (w rows between 1 preceding and current row exclude ties) from a.root window w as (partition by grp order by n desc nulls last)`,
  ],
  [
    'view',
    `${b}."functions"`,
    0,
    '',
    `select j.a, j.b, x.id, (select max(i.id) from a.root i where i.id = any (select same.id from a.same)) as most
       from a.root x, jsonb_to_recordset(jsonb_build_array(jsonb_build_object('a', x.id, 'b', x.grp))) as j(a int, b text), a.series(1) as root(x, y)`,
  ],
  [
    'materialized view',
    `${b}."Über functions"`,
    0,
    '',
    `select functions.*, d.root from ${b}.functions natural join (select id, root from a.a) d order by 1 fetch first 3 rows with ties`,
  ],
  [
    'view',
    `${uni}."with ' check"`,
    2,
    'with (security_invoker = true, check_option = cascaded)',
    'select id, root from a.a where id > 2',
  ],
  [
    'materialized view',
    `${uni}.checked`,
    2,
    '',
    `select id, root::a.dom is null as root from ${uni}."with ' check" where id in (values (3), (4)) or case when id > 5 then root > (select avg(id) from a."from") else true end`,
  ],
  [
    'materialized view',
    `${long}.last`,
    1,
    '',
    `select count(*), max(r.total) as total from ${long}.${long} r, ${b}."join", ${uni}.checked checked left join (${long}.windows w join a.root root_1 on w.id = root_1.id) on checked.id = w.id`,
  ],
  [
    'materialized view',
    `${uni}."un-filled"`,
    1,
    '',
    `select id from ${long}."order" join ${uni}."Row cast" using (id)`,
  ],
]

/** Names of the members, written as in SQL. */
export const oddMembers: string[] = members.map(([, name]) => name)

/** The materialized views among them that hold data. */
export const filledMembers: string[] = members
  .filter(([kind, name]) => kind === 'materialized view' && !name.includes('un-filled'))
  .map(([, name]) => name)

/**
 * Makes a group that is odd in every way that we know: 20 members in 4 schemas with 3 owners, what hangs on them, and what
 * reads them from outside. The root is `a.root`. Returns the owners and the roles that grant on, as SQL writes them; `suffix`
 * makes the names of roles unique on the server.
 */
export async function makeOddGroup(sql: Sql, suffix: string): Promise<string[]> {
  const [one, two, three, granter, guest] = ['One', 'two"', 'três', 'granter', 'guest'].map(
    (name) => `"${`${name}_${suffix}`.replaceAll('"', '""')}"`,
  ) as [string, string, string, string, string]
  const owners = [one, two, three]
  const schemas = `a, ${b}, ${uni}, ${long}`
  await sql.unsafe(`
    create role ${one}; create role ${two}; create role ${three}; create role ${granter}; create role ${guest};
    create schema a; create schema ${b}; create schema ${uni}; create schema ${long};
    grant usage, create on schema ${schemas} to ${owners.join(', ')};
    grant usage on schema ${schemas} to ${granter}, ${guest};
    alter default privileges for role ${one} in schema a grant select, insert on tables to ${guest};
    alter default privileges for role ${three} grant select on tables to ${guest};
    alter default privileges grant update on tables to ${guest};
    create type a.mood as enum ('sad', 'it''s ok');
    create domain a.dom as text check (value <> '') default 'x';
    create domain a.small as int check (value < 1000000);
    create type a.pair as (a int, b text);
    create table a.base (id int, grp text, body text, at date, n numeric(10, 2), span int4range, feel a.mood, d a.dom, pairs a.pair[]) partition by range (id);
    create table a.base_1 partition of a.base for values from (0) to (5); create table a.base_2 partition of a.base default;
    create table a.log (what text);
    create function a.series(n int) returns table (x int, y text) language sql stable as 'select *, ''y'' from generate_series(1, n)';
    create function a.twice(n int) returns int immutable language sql return n * 2;
    create operator a.<+> (function = int4pl, leftarg = int, rightarg = int);
    create collation ${b}."my C" from "C";
    grant select on a.base, a.base_1 to ${owners.join(', ')}; grant all on a.log to ${owners.join(', ')}`)
  await addRows(sql, 1, 9)
  for (const [kind, name, owner, options, query] of members) {
    await sql.unsafe(
      `create ${kind} ${name} ${options} as ${query} ${name.includes('un-filled') ? 'with no data' : ''}`,
    )
    await sql.unsafe(
      `alter ${kind} ${name} owner to ${owners[owner]}; grant select on ${name} to ${owners.filter((_, at) => at !== owner).join(', ')}`,
    )
  }
  await sql.unsafe(`
    create unique index "root; key" on a.root (id) include (grp);
    create index root_expression on a.root (lower(grp) collate "C" desc nulls first, a.twice(id), (span * int4range(1, 5)));
    alter index a.root_expression alter column 2 set statistics 33;
    create index root_partial on a.root using hash (d) where feel = 'sad'::a.mood and d <> 'a.root';
    create index root_brin on a.root using brin (at) with (pages_per_range = 3);
    alter materialized view a.root cluster on "root; key";
    comment on index a."root; key" is 'it''s $$ \\ $viewkeeper$';
    alter table a.root replica identity full;
    alter materialized view a.root alter column body set storage external, alter column body set compression pglz, alter column grp set statistics 300,
      alter column grp set (n_distinct = -0.5, n_distinct_inherited = 3);
    comment on materialized view a.root is 'root''s'; comment on column a.root.body is '$$; --';
    create statistics a."Root stat" (ndistinct, mcv) on grp, feel from a.root; alter statistics a."Root stat" owner to ${one};
    create statistics ${long}.expressions on (a.twice(id)), (grp || body), n from a.root;
    alter statistics ${long}.expressions owner to ${two}; alter statistics ${long}.expressions set statistics 17; comment on statistics ${long}.expressions is 'other''s';
    create statistics ${uni}.${long} on (upper(xs)), id from ${long}.${long}; alter statistics ${uni}.${long} owner to ${three};
    create index ${uni} on ${long}.${long} ((xs || 'é') text_pattern_ops); create unique index on ${long}.${long} (coalesce(id, 0), total) nulls not distinct;
    create unique index root on ${b}.same (id) with (fillfactor = 50); alter table ${b}.same cluster on root; alter table ${b}.same replica identity nothing;
    create index on ${b}."Reads both" (((same || grp)::varchar(20))) where id > 0 and same <> all (array['a', 'b']);
    comment on column ${uni}.${long}.one is 'eins'; alter materialized view ${uni}.${long} alter column body set storage main;
    comment on view a.same is ''; comment on column a.same."G g" is 'G';
    create function a.instead() returns trigger language plpgsql as $$ begin insert into a.log values (tg_name || tg_argv[0]); return new; end $$;
    create trigger "Instead; of" instead of insert or update on a.same for each row execute function a.instead('it''s');
    comment on trigger "Instead; of" on a.same is 'instead';
    create trigger statement_level before delete on a.a for each statement execute function a.instead('');
    grant select, update (grp) on a.root to ${granter} with grant option; grant select (id, body) on a.root to public; grant trigger on ${b}.same to ${guest} with grant option;
    revoke insert on a.root from ${one}; revoke all on ${long}."order" from ${one}; grant select on ${long}."order" to ${one};
    grant all on ${uni}."with ' check" to ${granter} with grant option; grant select (id) on ${uni}."with ' check" to public;
    create view a.outside as select root.id, same."G g", "join".grp from a.root join a.same using (id) left join ${b}."join" using (id);
    create view ${long}."Out; side" with (security_barrier, check_option = local) as select id, "G g" from a.outside where id in (select id from ${uni}.checked);
    create view ${b}.no_reader as select count(*) from a.base;
    create materialized view ${b}.no_reader_either as select id from a.base; create index on ${b}.no_reader_either (id);
    alter view a.outside owner to ${three}; alter view ${long}."Out; side" owner to ${two};
    create trigger on_outside instead of update on a.outside for each row execute function a.instead('out');
    comment on view a.outside is 'outside';
    grant select on a.outside, ${long}."Out; side" to ${granter}, ${one}, ${two} with grant option;`)
  await sql.begin(async (transaction) => {
    await transaction.unsafe(`
      set local role ${granter};
      grant select on a.root to ${guest} with grant option; grant update (grp) on a.root to ${guest}; grant insert on ${uni}."with ' check" to ${guest} with grant option;
      set local role ${guest};
      grant select on a.root to ${three} with grant option; grant trigger on ${b}.same to ${granter}`)
  })
  return [...owners, granter, guest]
}

/** Adds rows to the table that the root reads. */
export const addRows = (sql: Sql, from: number, to: number) =>
  sql.unsafe(`
    insert into a.base select i, 'g' || i % 3, repeat('x', i), date '2020-02-28' + i, i / 3.0, int4range(i, i + 3),
           (array['sad', 'it''s ok'])[1 + i % 2]::a.mood, 'd' || i, array[(i, 'p')::a.pair] from generate_series(${from}, ${to}) i`)
