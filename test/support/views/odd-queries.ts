/** Tables for queries of every odd grammar, some of them over types of extensions in `public`. */
export const oddTables = `
  create extension if not exists citext; create extension if not exists ltree; create extension if not exists hstore;
  ${['cube', 'earthdistance', 'intarray', 'pg_trgm', 'seg', 'isn', 'unaccent', 'pgcrypto', 'fuzzystrmatch', 'tablefunc', 'lo', 'btree_gist', 'bloom', 'dict_int'].map((each) => `create extension if not exists ${each};`).join(' ')}
  create schema odd; set search_path = odd, public;
  create table users (id int primary key, mail citext, code varchar(10), at timestamptz, d date, f float8, j jsonb, arr int[], path ltree, h hstore);
  create table blocked (mail citext, path ltree, h hstore);
  insert into users values (1, 'Ann@x.org', 'a', '2024-03-01 12:00Z', '2024-03-01', 0.3, '{"a": {"b": 1}}', '{1,2}', 'top.a', 'a=>1'),
    (2, 'ben@x.org', 'b', '2024-03-05 12:00Z', '2024-03-05', 1.5, '{}', '{3}', 'top.b', 'b=>2'), (3, null, null, null, null, null, null, null, null, null);
  insert into blocked values ('ann@X.ORG', 'top.a', 'a=>1'), ('zoe@x.org', 'top.z', 'z=>1');
  create domain positive as int check (value > 0); create type grade as enum ('low', 'mid', 'high'); create type pair as (n int, t text);
  create type span as range (subtype = float8); create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  create function alike(grade, grade) returns boolean language sql immutable as 'select left($1::text, 1) = left($2::text, 1)';
  create operator === (leftarg = grade, rightarg = grade, function = alike);
  create function doubled(pair) returns int language sql immutable as 'select $1.n * 2';
  create function many(int, variadic text[]) returns setof pair language sql immutable as 'select $1, unnest($2)';
  create function named(a int, b int default 2, c text default 'x') returns text language sql immutable as 'select a || c || b';
  create function graded(int) returns grade language sql immutable as $$select case when $1 > 1 then 'high' else 'low' end::odd.grade$$;
  create cast (int as grade) with function graded(int); create aggregate longest(text) (sfunc = textcat, stype = text, initcond = '');
  create table things (id positive primary key, g grade, p pair, s span, gs grade[], ps pair[], during tstzrange, parts int4multirange, ip inet, bits bit(4), bytes bytea,
    cash numeric(12, 3), u uuid, t time, iv interval, pt point, box box, words tsvector, x xml, code "char", name name, part int generated always as (id % 2) stored) partition by range (id);
  create table things_1 partition of things for values from (1) to (3); create table things_2 partition of things default;
  insert into things (id, g, p, s, gs, ps, during, parts, ip, bits, bytes, cash, u, t, iv, pt, box, words, x, code, name)
    select i, i::int::grade, (i, 'p' || i)::pair, span(i, i + 0.5), array['low', 'high']::grade[], array[(i, 'a')]::pair[], tstzrange('2024-01-01Z'::timestamptz + i * interval '1 day', null),
           int4multirange(int4range(i, i + 2), int4range(i + 5, i + 6)), ('10.0.0.' || i)::inet, i::bit(4), decode('0' || i, 'hex'), i + 0.125,
           ('00000000-0000-0000-0000-00000000000' || i)::uuid, '12:00'::time + i * interval '1 hour', i * interval '1 mon 2 days', point(i, i), box(point(0, 0), point(i, i)),
           to_tsvector('simple', 'odd thing ' || i), xmlparse(content '<a n="' || i || '">t</a>'), 'c', 'n' || i from generate_series(1, 4) i;
  create table links (child text, parent text); insert into links values ('b', 'a'), ('c', 'b');
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
  enums: `select id, g, g < 'high' as less, g in ('low', 'mid') as few, enum_range(g, null) as rest from things where g is distinct from 'mid' and g = any (gs)`,
  enum_array: `select id, gs || 'mid'::grade as gs, array_position(gs, 'high') as at, '{low,high}'::grade[] as c from things where gs @> '{low}' and 'low' = any (gs[1:2])`,
  enum_cast: `select id, id::int::grade as g, cast(g as text) as t from things where g === 'low' or not g operator(odd.===) 2::grade`,
  domains: `select id, id + 1 as next, (id * 2)::positive as twice, null::positive as none from things where id in (1, 2, 3)`,
  composite: `select id, (p).t, (p).n + 1 as n, p = (1, 'p1')::pair as same, row((p).*)::pair as again, doubled(p) as d from things where p is not null and (p).n <> 9`,
  composite_array: `select id, ps[1].t, (ps[1]).n, array[(1, 'x')::pair] || ps as more, q from things, unnest(ps) q where ps <> '{}' order by id`,
  composite_constant: `select id, '(7,seven)'::pair as p, '{"(1,a)","(2,b)"}'::pair[] as ps, '[1,2)'::span as s from things where p < '(3,z)'::pair`,
  row_star: `select id, (many(id, variadic array['a', 'b'])).* from things where id = 1`,
  variadic: `select id, m.t from things, many(id, variadic array['x', name::text]) m where concat_ws('-', variadic array['a']) like '%a'`,
  named_arguments: `select id, named(id, c => 'y') as a, named(c => 'z', a => 1, b => id) as b from things`,
  own_aggregate: `select g, longest(name::text order by id desc) filter (where id > 1) as l, longest(distinct name::text) as d from things group by g`,
  own_ranges: `select id, s * span(1.5, 3) as part, upper_inc(s) as u, s @> 1.2::float8 as has, s && '[0,9]' as meets from things where not isempty(s)`,
  multiranges: `select id, parts + '{[20,30)}'::int4multirange as p, range_agg(r) over () as all, r from things, unnest(parts) r where parts @> 6 or parts -|- int4range(8, 9)`,
  times: `select id, during, lower(during) at time zone 'Europe/Berlin' as l, t + iv as later, iv * 1.5 as more, age('2024-03-01', '2024-01-31') as age from things where during @> '2024-03-31 02:30 Europe/Berlin'::timestamptz and t between '12:30' and '16:00'`,
  overlaps: `select id from things where (lower(during), interval '3 days') overlaps ('2024-01-03Z'::timestamptz, '2024-01-04Z'::timestamptz)`,
  networks: `select id, ip & '255.255.255.0'::inet as net, host(ip) as host, set_masklen(ip, 24)::cidr as c from things where ip << '10.0.0.0/8' and ip <> inet '10.0.0.3'`,
  bits: `select id, bits & b'0101' as a, ~bits as n, bits || x'f' as l, bytes || '\\\\x00ff'::bytea as y, get_bit(bits, 1) as one from things where bits <> b'0000'`,
  numerics: `select id, cash, cash::numeric(8, 1) as c, round(cash, 2) as r, 'NaN'::numeric as n, 1e400::numeric as big, 0.1::float4 as f, -(-id) as m, @ -5 as abs, 2 ^ 3 as p, |/ 4 as s from things where cash > 1.1250`,
  geometry:
    `select id, pt <-> point '(0,0)' as far, box # box '((0,0),(1,1))' as part, ?| point '(1,2)' <@ circle '<(0,0),5>' as up, lseg(pt, '(0,0)') as l from things where pt <@ box '((0,0),(3,3))'`.replace(
      '?| ',
      '',
    ),
  words: `select id, words @@ to_tsquery('simple', 'odd & thing') as hit, ts_rank(words, 'odd'::tsquery) as r, setweight(words, 'A') as w, ts_headline('simple', 'odd thing', 'odd'::tsquery) as h from things`,
  xml_table: `select t.id, q.n, q.t from things t, xmltable('/a' passing t.x columns n int path '@n', t text path 'text()' default 'none') q where x is document`,
  xml_more: `select id, xmlforest(id, name as "odd name")::text as f, xmlconcat(x, xmlcomment('c'))::text as c, xpath_exists('/a', x) as e, xmlserialize(content x as text) as s, (xpath('/a/@n', x))[1]::text as n from things`,
  json_build: `select id, jsonb_build_object('id', id, 'g', g) || '{"z": null}' as o, to_jsonb(e) - 'x' - 'words' as whole, jsonb_agg(p) over (order by id) as ps, '{"a": [1, 2]}'::json #> '{a,0}' as first from things e`,
  json_sets: `select u.id, e.key, e.value, r.* from users u, jsonb_each(u.j) e, jsonb_to_record('{"a": 1, "b": "x"}') r(a int, b text) where u.j ? 'a' and u.j @? '$.a.b ? (@ > 0)'`,
  json_is: `select id, j['a']['b'] as b, j ->> 'a' is null as n, coalesce(j #>> array['a', 'b'], 'none') as c, jsonb_set(j, '{new}', '1') as s from users where j @> '{}' or j is null`,
  subscripts: `select id, arr[array_length(arr, 1)] as last, arr[:1] as first, arr[2:] as rest, (array[[1, 2], [3, 4]])[2][1] as three, array_fill(0, array[2, 2]) as z from users`,
  all_any: `select id from users where id > all (array[0]) and f < any (select 2.0::float8) and code <> all ('{x,y}') and (id, code) = any (select id, code from users) or id = some (array[3])`,
  scalar_queries: `select id, (select max(b.mail) from blocked b where b.mail <= u.mail) as m, (select count(*) from blocked) + 1 as n, array(select path from blocked where path @> u.path) as p from users u where id >= (select min(id) from users)`,
  row_query: `select id, (select row_to_json((b.path, b.mail)) from blocked b where path = 'top.a' limit 1)::text as r from users where (id, f) = (select id, f from users order by id limit 1) or row(id) < row(2)`,
  cube_groups: `select g, part, count(*) as n, grouping(g, part) as l, sum(cash) as s from things group by cube (g, part), grouping sets ((), (g)) having grouping(g) = 0 or count(*) > 1`,
  group_distinct: `select g, part, count(distinct p) as n, array_agg(distinct g order by g desc) as gs, string_agg(name, ', ' order by name collate "C" desc) as l from things group by distinct rollup (g, part), rollup (g)`,
  ordered_sets: `select percentile_disc(array[0.25, 0.75]) within group (order by id desc) as d, rank(2) within group (order by id) as r, mode() within group (order by g) as m, corr(id, cash) as c, regr_slope(id, cash) as s, every(id > 0) as e from things`,
  frames: `select id, first_value(g) over w as f, nth_value(g, 2) over (w groups between 1 preceding and 1 following exclude current row) as n, sum(cash) over (order by id range between 1 preceding and unbounded following) as s, lag(g, 1, 'low') over (order by id desc nulls last) as l, ntile(2) over (order by cash) as t, count(*) over (partition by g, part) as c from things window w as (order by id)`,
  frames_of_times: `select id, count(*) over (order by at range between interval '2 days' preceding and interval '1 mon' following exclude group) as n, percent_rank() over (order by mail using <) as p from users`,
  with_many: `with a as materialized (select id, mail from users), b as not materialized (select * from a where mail <> 'x'), c(n) as (values (1), (2)) select b.id, c.n, a.mail from b join a using (id) cross join c where exists (select from a x where x.id = c.n)`,
  recursive_depth: `with recursive t(id, p) as (select 1, array[1] union all select t.id + 1, p || (t.id + 1) from t where t.id < 4) search depth first by id set o cycle id set again using seen select id, p, again from t`,
  recursive_nested: `with recursive outer_one(n) as (select 1 union select n + 1 from (with inner_one as (select n from outer_one) select n from inner_one) q where n < 3) select n, (with recursive t(m) as (select n union all select m - 1 from t where m > 1) select sum(m) from t) as s from outer_one`,
  lateral_functions: `select u.id, g.n, s.* from users u left join lateral generate_series(1, u.id) g(n) on g.n > 1, lateral (select b.mail from blocked b where b.mail >= u.mail order by 1 limit 1 offset 0) s`,
  joins: `select a.id, b.id as b, c.id as c from users a left join (users b inner join things c on b.id = c.id) on a.id = b.id and c.g = 'low' right join users d on d.id = a.id where a.code is not null or d.id is null`,
  join_alias: `select j.id, j, u.mail from (users u join things t using (id) as j) where j.id > 0`,
  using_twice: `select id, mail, a.code as a, c.code as c from users a join users b using (id, mail) left join users c using (id, mail)`,
  set_operations: `select id, mail from users where id < 3 union all (select id, mail from users except all select 1, 'ANN@x.org' limit 5) intersect select 2, 'BEN@x.org'::citext order by id desc nulls first fetch first 3 rows with ties`,
  set_of_nulls: `select null as a, 1 as b union select 'x', null union select null, 2.5`,
  collations:
    `select id, code collate nocase as c, max(code collate "C") as m, name < 'n3' as n, lower(code collate "und-x-icu") as l from users join things t using (id) where code collate nocase = 'A' or code collate "C" >= 'b' group by users.id, id, name`.replace(
      'join things t',
      'join (select id, name from things) t',
    ),
  distinct_rows: `select count(distinct (mail, id)) as n, count(distinct row(g, p)) as r, array_agg(distinct mail order by mail) as m from users join things using (id)`,
  case_many: `select id, case when mail = 'ANN@x.org' then 1 when id between 2 and 3 then 2.5 end as n, case g when 'low' then 'l' when 'high' then null else 'm' end as s, case (select 1) when id then g else 'mid' end as q from users join things using (id)`,
  nullif_many: `select id, nullif(p, (1, 'p1')::pair) as p, nullif(g, 'low') as g, nullif(gs, '{}') as gs, nullif(s, span(1, 1.5)) as s, coalesce(nullif(cash, 1.125), 0) as c from things`,
  is_many:
    `select id, p is null as a, (p).t is not distinct from 'p1' as b, row(id, g) is distinct from row(1, 'low'::grade) as c, (id > 1) is not unknown as d, x is document as e, g is not null and (p is not null) is not true as f, name is nfc normalized as g from things`.replace(
      'name is nfc',
      'name::text is nfc',
    ),
  regex: `select id, code ~* '^A' as a, code !~~ 'b%' as b, regexp_replace(code, '(.)', E'\\\\1\\t') as c, code similar to '(a|b)_?' escape '#' as d, code ^@ 'a' as e, 'a' like mail as f from users`,
  keywords: `select current_date > d as a, localtime(0) is not null as b, current_user = session_user as c, extract(isodow from d) as w, d + 1 as next, date_trunc('month', at, 'Europe/Berlin') as m, make_date(2024, 2, id) as made, normalize(code, nfd) as n, collation for (code) as f, cast(code as varchar(3)) as v from users`,
  system_columns: `select tableoid = 'odd.things_1'::regclass as t, id, ctid is not null as c from things order by id`,
  regclasses: `select id, 'odd.doubled'::regproc <> 'now'::regproc as b, 'odd.grade'::regtype <> pg_typeof(id) as c, 'simple'::regconfig <> 'odd.things'::regclass::oid as d from users where 'odd.users'::regclass::oid is not null and 'odd.nocase'::regcollation is not null`,
  sampled: `select count(*) >= 0 as n from users tablesample bernoulli (100) repeatable (7)`,
  only_one: `select id, part from only things_1 where id = any (select t.id from things t)`,
  quoted: `select u."id" as "Select", 1 as "a""b", 'it''s' as "from", U&'\\0061' as u, E'tab\\t' as e, $q$dollar'$q$ as d, "u"."mail" as "é" from users as "u" where "u"."code" is null or u.code <> ''`,
  no_columns: `select id from users, (select from users) nothing where exists (select) group by id`,
  values_beside: `select 1 as c union all values (2), ((select max(id) from users)) except select 7`,
  values_sorted: `select id, code from users union all (values (2, 'x'), (3, null) order by 1 desc limit 1)`,
  values_twice: `select row_to_json(s) as r, 2 in (values (2), (4)) as i from (select 1 as c, 'a'::text as d union all values (2, 'b') union select * from (values (3, 'c')) v(d, c)) s`,
  many_values: `values (1, 'a'::text, null::grade), (2, null, 'low'), ((select max(id) from users), 'b', 3::grade)`,
  citext_everywhere: `select id, mail || '!' as a, mail::varchar(3) as v, replace(mail, 'ANN', 'x') as r, split_part(mail, 'X', 1) as s, regexp_matches(mail, 'ANN') as m, mail = any ('{ANN@x.org}'::citext[]) as y, mail <> all (array['x', mail]) as z, strpos(mail, 'X') as p from users`,
  citext_ranges: `select id, mail > 'ANN@x.org' as g, greatest(mail, 'A'::citext) as m, mail in (select 'BEN@X.ORG'::citext) as i, array_position(array[mail], 'BEN@x.org') as p, mail between symmetric 'b' and 'A' as b, mail like 'ANN%' as l from users order by mail using >`,
  citext_groups: `select mail, count(*) as n, count(distinct mail) as d, lag(mail) over (order by mail) is distinct from mail as changed from (select mail from users union all select mail from blocked) u group by mail having max(mail) = mail`,
  citext_joins: `select u.id, b.mail from users u left join blocked b on (u.mail, u.path) = (b.mail, b.path) or u.mail is not distinct from b.mail full join users c on c.mail = b.mail where coalesce(u.mail, c.mail) is distinct from 'x'`,
  citext_windows:
    `select id, dense_rank() over (order by mail) as r, count(*) over (partition by mail order by path) as n, mode() within group (order by mail) over_all from users group by id`.replace(
      ' over_all',
      ' as m',
    ),
  ltree_paths: `select id, path || 'x' as a, path <@ 'top' as b, path ~ 'top.*{1}' as c, path @ 'a & top' as d, path ? array['top.*', '*.b']::lquery[] as e, nlevel(path) as n, subpath(path, -1) as s, lca(path, 'top.x') as l, path > 'top.a' as g from users`,
  ltree_arrays: `select array_agg(path order by path) as p, array_agg(path order by path) ?@> 'top' as f, max(path::text) as m, 'top'::ltree = any (array_agg(path)) as y from users where path in ('top.a', 'top.b') or path between 'a' and 'b'`,
  ltree_groups: `select path, count(*) as n, rank() over (order by path desc) as r from (select path from users union select path from blocked) p group by path having path is distinct from 'top.z'`,
  hstore_values: `select id, h -> 'a' as a, h -> array['a', 'b'] as s, h ? 'a' as q, h @> 'a=>1' as c, h || 'c=>3'::hstore as m, h - 'a'::text as d, akeys(h) as k, hstore_to_jsonb(h) as j, %# h as x, e.key from users, each(h) e`,
  hstore_equal: `select id, h = 'a=>1' as e, h <> any (array['a=>1', 'b=>2']::hstore[]) as n, nullif(h, 'a=>1') as z, case h when 'b=>2' then 1 else 2 end as c, hstore(u.code, 'v') as r from users u where h in ('a=>1', 'b=>2')`,
  hstore_records: `select id, (u #= 'code=>zz'::hstore).code as changed, hstore(u) -> 'id' as i, slice(h, array['a']) as s from users u where h is not null group by id having count(distinct h) = 1`,
  cubes: `select id, cube(id, id + 1) as c, cube(array[1, 2], array[3, id]) @> cube(array[2, 2]) as h, cube(id::float8) <-> '(0)'::cube as d, cube_union('(1,2)', cube(id::float8)) as u, cube(id::float8) && '(1),(2)' as o from users where cube(id::float8) in ('(1)', '(2)')`,
  cube_orders:
    `select cube(f) as c, count(*) as n, rank() over (order by cube(f)) as r from users group by cube(f) having cube(f) is distinct from '(9)'`.replaceAll(
      'cube(f)',
      'public.cube(f)',
    ),
  earth: `select id, earth_distance(ll_to_earth(47 + id, 8), ll_to_earth(47, 8)) as d, point(id, 1) <@> point(1, 1) as miles, earth_box(ll_to_earth(47, 8), 1000) @> ll_to_earth(47, 8) as near from users`,
  intarrays: `select id, arr & '{1,2}' as i, arr | 7 as o, arr + 5 as p, arr - 1 as m, # arr as n, idx(arr, 2) as x, arr @@ '1|3'::query_int as q, sort_desc(arr) as s, arr && '{3}' as v, arr @> '{1}' as c from users`,
  intarray_equal: `select id from users where arr = '{1,2}' and arr is distinct from '{3}' and arr in ('{1,2}', '{9}') and 1 = any (arr) and arr <@ array[1, 2, 3]`,
  trigrams: `select id, mail::text % 'ann' as a, similarity(code, 'a') as s, code <-> 'b' as d, 'a' <% code as w, show_trgm(code) as t, code %> 'a' as z from users`,
  segs: `select id, (id || ' .. ' || id + 1)::seg as s, '1 .. 3'::seg @> id::text::seg as c, seg_center('1 .. 3') as m, id::text::seg < '2' as l from users where id::text::seg is distinct from '2' and id::text::seg <> all (array['7', '8']::seg[])`,
  isns: `select id, isbn '978-0-393-04002-9' as i, '9780393040029'::ean13 = isbn13 '978-0-393-04002-9' as e, issn('1436-4522') as s, nullif('039304002X'::isbn, '978-0-393-04002-9'::isbn13) as n from users`,
  unaccented: `select id, unaccent('Zürich') as u, unaccent('public.unaccent', 'Ä' || code) as d, to_tsvector('simple', unaccent(mail::text)) as t from users`,
  digests: `select id, encode(digest(code, 'sha256'), 'hex') as d, hmac(code, 'k', 'md5') as h, crypt(code, '$1$saltsalt$') as c from users`,
  sounds: `select id, soundex(code) as s, levenshtein(code, 'ab') as l, dmetaphone('Thompson') = dmetaphone('Thomson') as m, difference(code, 'b') as d from users`,
  crosstabs: `select * from crosstab('select id, 1, code from odd.users order by 1', 'values (1), (2)') as c(id int, one text, two text) where one is distinct from 'b' order by id`,
  connected: `select * from connectby('odd.links', 'child', 'parent', 'a', 0, '~') as t(child text, parent text, level int, branch text) where level between 0 and 2`,
  large_objects: `select id, id::oid::lo as l, (id::oid::lo)::oid = id::oid as s from users where (id::oid::lo)::oid in (1, 2)`,
  gist_distances: `select id, f <-> 1 as d, at <-> '2024-03-02Z'::timestamptz as a, d <-> '2024-03-02'::date as b, cash_dist('1', '2') as c, id <-> 2 as i from users`,
}
