/** Tables for queries of every odd grammar, some of them over types of extensions in `public`. */
export const oddTables = `
  create extension if not exists citext; create extension if not exists ltree; create extension if not exists hstore;
  create schema odd; set search_path = odd, public;
  create table users (id int primary key, mail citext, code varchar(10), at timestamptz, d date, f float8, j jsonb, arr int[], path ltree, h hstore);
  create table blocked (mail citext, path ltree, h hstore);
  insert into users values (1, 'Ann@x.org', 'a', '2024-03-01 12:00Z', '2024-03-01', 0.3, '{"a": {"b": 1}}', '{1,2}', 'top.a', 'a=>1'),
    (2, 'ben@x.org', 'b', '2024-03-05 12:00Z', '2024-03-05', 1.5, '{}', '{3}', 'top.b', 'b=>2'), (3, null, null, null, null, null, null, null, null, null);
  insert into blocked values ('ann@X.ORG', 'top.a', 'a=>1'), ('zoe@x.org', 'top.z', 'z=>1');
  reset search_path;`

/** Each is read back from the server's own text. Those over citext tell the cases apart if another operator is found. */
export const oddQueries = {
  in: `select id from users where code in ('a', 'b')`,
  in_columns: `select id from users where code in ('a', 'c') or code not in ('x', 'y', 'z')`,
  in_citext: `select id from users where mail in ('ANN@x.org', 'x')`,
  in_query: `select id from users where mail in (select mail from blocked) and (mail, path) in (select mail, path from blocked)`,
  distinct_from: `select id from users where mail is distinct from 'ANN@x.org'::citext`,
  not_distinct_from: `select id from users where mail is not distinct from 'ANN@x.org'::citext`,
  using: `select id from users join blocked using (mail)`,
  natural: `select id from users natural join blocked`,
  case: `select id, case mail when 'ANN@X.ORG' then 'x' else 'y' end as s from users`,
  nullif: `select id, nullif(mail, 'ANN@X.ORG') as m from users`,
  using_ltree: `select id from users join blocked using (path)`,
  distinct_ltree: `select id from users where path is distinct from 'top.a'::ltree`,
  distinct_hstore: `select id from users where h is distinct from 'a=>1'::hstore`,
  row_of_mixed: `select id from users where (mail, id) < ('BEN@x.org'::citext, 5) and (id, mail) >= (1, 'ANN@x.org'::citext)`,
  rows_in: `select id from users where (mail, code) in (select mail, 'a'::varchar from blocked) or (path, id) not in (select path, 1 from blocked)`,
  between_first: `select id from users where d between '2024-01-01' and '2024-12-31' and at is not null and not (not (id in (id, 7) or id > 9))`,
  any_of_columns: `select id from users where code = any (array[code, 'x']) and 'a'::varchar = all (array[code, code])`,
  between: `select id from users where id between symmetric 3 and 1 and mail between 'ANN@x.org' and 'B' and code similar to 'a%'`,
  float: `select '0.30000000000000004'::float8 as x, f from users where f < 0.1 + 0.2`,
  date: `select id from users where at < '2024-03-04 00:00 America/New_York' and d > '2024-02-29'`,
  interval: `select id from users where at > '2024-03-05'::timestamptz - interval '1 mon 2 days -03:00'`,
  row: `select id from users where (code, id) < ('b', 3) and (id, code) is not null`,
  any: `select id from users where id = any (arr) or code like any (array['a%', 'b%']) or code = any ('{a,b}'::varchar[])`,
  array: `select array[id, 2] || arr as a, arr[1:2] as s, array(select mail from blocked order by 1) as m, array[code, 'x'] as c from users`,
  window: `select id, row_number() over w as n, sum(f) over (w rows between 1 preceding and current row exclude ties) as s from users window w as (partition by mail order by at)`,
  grouping: `select code, d, count(*), grouping(code, d) as g from users group by grouping sets ((code), rollup (d), ()) having count(*) > 0`,
  recursive: `with recursive t(n, p) as (select 1, 'top'::ltree union all select n + 1, p || 'x'::ltree from t where n < 5) search breadth first by n set o select n, p from t`,
  cycle: `with recursive t(n) as (select 1 union all select n % 3 + 1 from t) cycle n set c to 'Y' default 'N' using way select n, c from t`,
  lateral: `select u.id, x.v from users u cross join lateral (select u.f * 2 as v) x left join blocked b on b.mail = u.mail`,
  union: `(select code from users union select 'x'::varchar(10)) except select 'y' order by 1 limit 3`,
  union_citext: `select mail from users intersect select mail from blocked`,
  json: `select j -> 'a' ->> 'b' as b, j #>> '{x,y}' as p, jsonb_path_query_first(j, '$.a') as q from users`,
  whole_json: `select row_to_json(s) as r from (select id as one, mail as "two words" from users) s`,
  filter: `select count(*) filter (where mail = 'ANN@x.org') as n, percentile_cont(0.5) within group (order by f) as p, mode() within group (order by mail) as m from users`,
  functions: `select coalesce(code, 'none') as c, greatest(mail, 'b') as g, extract(epoch from at) as e, at at time zone 'utc' as u, substring(code from 1 for 2) as s, position('a' in code) as p, trim(both from code) as t, overlay(code placing 'x' from 1) as o from users`,
  exists: `select id from users u where exists (select from blocked b where b.mail = u.mail) or id not in (select 1)`,
  values: `select * from (values (1, 'a'), (2, 'b')) v(n, t)`,
  distinct_on: `select distinct on (mail) mail, id from users order by mail, id desc`,
  casts: `select id::text::varchar(3) as a, code::char(2) as b, f::numeric(10, 2) as c, '{1,2}'::int[] as d, row(1, 'a')::text as e, mail::text as m from users`,
  xml: `select xmlelement(name a, xmlattributes(id as b), code)::text as x from users`,
  table: `select * from rows from (generate_series(1, 3), unnest(array['a', 'b'])) with ordinality as r(a, b, c)`,
  boolean: `select id, f > 1 is true as a, not (f is null or f = 'NaN') as b from users`,
  collation: `select code collate "C" as c, mail collate "POSIX" as m from users order by code collate "C"`,
  full_join: `select mail, id from users full join blocked using (mail)`,
  aliases: `select x.* from (users u join blocked b on u.mail = b.mail) as x(a1, b1, c1, d1, e1, f1, g1, h1, i1, j1, k1, l1, m1)`,
  whole: `select u from users u`,
  like: `select id from users where mail like 'ANN%' and mail ~ '^a' and mail not ilike 'x%' escape 'y'`,
}
