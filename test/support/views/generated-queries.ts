import fc, { type Arbitrary } from 'fast-check'

/**
 * Tables for generated queries. Types of extensions, a type, a cast, a collation and operators of one's own are in `public` and
 * `kinds`. Each own operator gives other answers than the server's.
 */
export const kindTables = `
  create extension if not exists citext; create extension if not exists ltree; create extension if not exists hstore;
  create schema kinds; create schema gen;
  create type kinds.grade as enum ('low', 'Low', 'high');
  create type kinds.pair as (n int, t text);
  create collation kinds.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  create function kinds.same(kinds.grade, kinds.grade) returns boolean language sql immutable as 'select lower($1::text) = lower($2::text)';
  create function kinds.other(kinds.grade, kinds.grade) returns boolean language sql immutable as 'select lower($1::text) <> lower($2::text)';
  create operator kinds.= (leftarg = kinds.grade, rightarg = kinds.grade, function = kinds.same, commutator = operator(kinds.=), negator = operator(kinds.<>));
  create operator kinds.<> (leftarg = kinds.grade, rightarg = kinds.grade, function = kinds.other, negator = operator(kinds.=));
  create function kinds.same(varchar, int) returns boolean language sql immutable as 'select length($1) = $2';
  create operator public.= (leftarg = varchar, rightarg = int, function = kinds.same);
  create function kinds.same(int, int) returns boolean language sql immutable as 'select $1 % 3 = $2 % 3';
  create operator kinds.= (leftarg = int, rightarg = int, function = kinds.same);
  create function kinds.graded(int) returns kinds.grade language sql immutable as $$select case $1 % 3 when 0 then 'low' when 1 then 'Low' else 'high' end::kinds.grade$$;
  create cast (int as kinds.grade) with function kinds.graded(int) as implicit;
  create table gen.base (id int primary key, mail citext, code varchar(10), grade kinds.grade, pair kinds.pair, path ltree, tags hstore, at timestamptz, day date, f float8, arr int[], spare int);
  create table gen.more (id int, mail citext, code varchar(10), grade kinds.grade, pair kinds.pair, path ltree, tags hstore, at timestamptz, day date, f float8, arr int[], spare int);
  insert into gen.base values
    (1, 'Ann@x.org', 'a', 'low', '(1,a)', 'top.a', 'a=>1', '2024-03-01 12:00Z', '2024-03-01', 0.3, '{1,2}'), (2, 'ann@x.ORG', 'A', 'Low', '(1,A)', 'top.a.b', 'a=>1,b=>2', '2024-03-05 12:00Z', '2024-03-05', 1.5, '{3}'),
    (3, 'ben@x.org', 'bb', 'high', '(2,b)', 'top.b', 'b=>2', '2024-03-31 01:30Z', '2024-03-31', -2, '{}'), (4, null, null, null, null, null, null, null, null, null, null),
    (5, 'Ben@x.org', 'bbb', 'Low', '(2,)', 'Top.b', '', '2024-10-27 00:30Z', '2024-10-27', 'NaN', '{5,NULL}');
  insert into gen.more select id + 2, upper(mail::text)::citext, upper(code)::varchar(10), grade, pair, path, tags, at, day + 1, f, arr from gen.base where id < 5`

/** What `gen.people` shows: a column of `gen.base` is spare. */
export const peopleQuery = 'select id, mail, code, grade, pair, path, tags, at, day, f, arr from gen.base'

/**
 * Changes of the tables beside the views, each with the one that takes it back. PostgreSQL goes on with every view, unless it refuses the change
 * because a view depends on it. One that gives something another name makes the text of a query that is aside, or frozen, no longer fit.
 */
const changes: [change: string, back: string, renames?: 'renames'][] = (
  ['gen.base', 'gen.more'] as const
).flatMap((table): [string, string, 'renames'?][] => [
  [`alter table ${table} add added int`, `alter table ${table} drop added`],
  [`alter table ${table} add code2 text default 'x', add m int`, `alter table ${table} drop code2, drop m`],
  [`alter table ${table} drop spare`, `alter table ${table} add spare int`],
  [`alter table ${table} drop spare, add spare text`, `alter table ${table} drop spare, add spare int`],
  [`alter table ${table} alter spare type bigint`, `alter table ${table} alter spare type int`],
  [
    `alter table ${table} alter spare type text`,
    `alter table ${table} alter spare type int using spare::int`,
  ],
  [`alter table ${table} rename spare to one`, `alter table ${table} rename one to spare`],
  [`alter table ${table} rename code to kode`, `alter table ${table} rename kode to code`, 'renames'],
  [
    `alter table ${table} rename spare to other; alter table ${table} rename mail to spare; alter table ${table} rename other to mail`,
    `alter table ${table} rename mail to other; alter table ${table} rename spare to mail; alter table ${table} rename other to spare`,
    'renames',
  ],
  [`alter table ${table} set schema kinds`, `alter table kinds.${table.slice(4)} set schema gen`, 'renames'],
  [
    `alter table ${table} rename to renamed`,
    `alter table gen.renamed rename to ${table.slice(4)}`,
    'renames',
  ],
  [`alter table ${table} owner to pg_monitor`, `alter table ${table} owner to current_user`],
  [
    `create table gen.whole (like ${table}) partition by list (id); alter table gen.whole attach partition ${table} default`,
    `alter table gen.whole detach partition ${table}; drop table gen.whole`,
  ],
  [
    `create table gen.parent (spare int, f float8); alter table ${table} inherit gen.parent`,
    `alter table ${table} no inherit gen.parent; drop table gen.parent`,
  ],
  [`create table gen.child (more int) inherits (${table})`, 'drop table gen.child'],
  [
    `comment on table ${table} is 'changed'; comment on column ${table}.id is 'changed'`,
    `comment on table ${table} is null`,
  ],
  [`vacuum full ${table}`, `analyze ${table}`],
  [`create index by_id on ${table} (id); cluster ${table} using by_id`, 'drop index gen.by_id'],
  [
    `alter table ${table} set unlogged, alter spare set default 1, alter f set statistics 10`,
    `alter table ${table} set logged, alter spare drop default`,
  ],
  [
    `alter table ${table} add check (id > 0), replica identity full, enable row level security`,
    `alter table ${table} replica identity default, disable row level security`,
  ],
])

/** Some changes, in any order. */
export const generatedChanges = fc.shuffledSubarray(changes, { minLength: 6, maxLength: 6 })

/** The paths on which people make views: without their own operators, and with them, after the catalog's. */
const kindPaths = ['public, gen', 'public, kinds, gen', 'kinds, public, gen'] as const
/** On this one an operator of one's own hides the catalog's: nobody can read the server's text back as it was meant. */
const hidingPath = 'kinds, pg_catalog, public, gen'

/** Constants of each column's type. Those of one's own types name their schema. */
const kinds = {
  mail: ["'ANN@x.org'::citext", "'zoe@x.org'::citext"],
  code: ["'a'::varchar", "'BB'"],
  grade: ["'low'::kinds.grade", '7::kinds.grade'],
  pair: ["row(1, 'a')::kinds.pair"],
  path: ["'top.a'::ltree"],
  tags: ["'a=>1'::hstore"],
  id: ['3', '4'],
  at: ["'2024-03-31 02:30 Europe/Berlin'::timestamptz"],
  day: ["'2024-03-05'::date"],
  f: ["'0.30000000000000004'::float8", '1e30'],
  arr: ["'{1,2}'::int[]", 'array[3]'],
} as const

type Column = keyof typeof kinds
const column = fc.constantFrom(...(Object.keys(kinds) as Column[]))
/** Columns whose types have an order. */
const ordered = fc.constantFrom<Column>('mail', 'code', 'path', 'id', 'at', 'day', 'f', 'grade')
const has = (some: Column[]) => (of: Column) => some.includes(of)
/** Without an operator `<` of the type itself. */
const isUnordered = has(['tags', 'grade'])
const word = (...some: string[]) => fc.constantFrom(...some)
/** Fills the places of a text, each with what is generated for it. */
const filled = (text: TemplateStringsArray, ...parts: (string | Arbitrary<string>)[]): Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((said) => String.raw({ raw: text }, ...said))

/** A value of a column's type; `from` are the aliases of the tables that are seen. */
const value = (of: Column, from: string[], depth = 2): Arbitrary<string> => {
  const columns = word(...from.map((alias) => `${alias}.${of}`))
  const leaf = fc.oneof({ weight: 2, arbitrary: columns }, word(...kinds[of]))
  if (depth === 0) return leaf
  const inner = value(of, from, depth - 1)
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    { weight: 2, arbitrary: filled`nullif(${inner}, ${inner})` },
    { weight: 2, arbitrary: filled`case ${inner} when ${inner} then ${inner} else ${inner} end` },
    filled`case when ${condition(from, 0)} then ${inner} else ${inner} end`,
    filled`${has(['pair', 'arr', 'tags'])(of) ? 'coalesce' : word('coalesce', 'greatest', 'least')}(${inner}, ${inner})`,
    filled`(array[${inner}, ${inner}])[2]`,
    filled`(select s.x from (values (${inner})) as s(x))`,
  )
}

/** A condition over one column or two. */
const condition = (from: string[], depth = 2): Arbitrary<string> => {
  const inner = depth === 0 ? fc.constant('true') : condition(from, depth - 1)
  return fc.oneof(
    { weight: 8, arbitrary: column.chain((of) => comparison(of, from, Math.max(depth - 1, 0))) },
    { weight: 2, arbitrary: fc.tuple(column, column).chain(([one, two]) => rows(one, two, from)) },
    filled`((${inner}) ${word('and', 'or', 'is distinct from')} (${inner}))`,
    filled`not (${inner})`,
  )
}

/** Every word of the grammar that looks an operator up, with or without writing it. */
const comparison = (of: Column, from: string[], depth: number): Arbitrary<string> => {
  const a = value(of, from, depth)
  const leaf = value(of, from, 0)
  const [first] = from as [string]
  const own: Partial<Record<Column, Arbitrary<string>[]>> = {
    code: [
      filled`(${a} collate ${word('kinds.nocase', '"C"')}) is distinct from ${a}`,
      filled`${a} similar to 'a%|B+'`,
      filled`${first}.code ${word('is distinct from', '=', 'is not distinct from')} ${value('id', from, 0)}`,
      filled`nullif(${first}.code, ${value('id', from, 0)}) is null`,
      filled`case ${first}.code when ${value('id', from, 0)} then true else false end`,
    ],
    grade: [filled`${first}.grade ${word('=', 'is distinct from')} ${value('id', from, 0)}`],
    mail: [filled`${a} like 'ANN%'`, filled`${a} ~ '^b'`],
    path: [filled`${a} <@ 'top'::ltree`],
    tags: [filled`${a} ? 'a'`],
    arr: [filled`${a} && '{1}'`, filled`${first}.id = any (${a})`],
  }
  return fc.oneof(
    { weight: 3, arbitrary: filled`${a} ${word('is distinct from', 'is not distinct from')} ${a}` },
    { weight: 2, arbitrary: filled`${a} ${word('in', 'not in')} (${a}, ${a})` },
    filled`${a} ${word('=', '<>', ...(isUnordered(of) ? [] : ['<', '>=']))} ${a}`,
    filled`${a} ${word('in', 'not in')} (select s.${of} from gen.more s where ${condition(['s'], 0)})`,
    // Of a list with other values than columns and constants of varchar, the proof knows too little.
    filled`${of === 'code' ? leaf : a} = ${word('any', 'all')} (array[${of === 'code' ? leaf : a}, ${of === 'code' ? leaf : a}])`,
    filled`exists (select from gen.more s where s.${of} = ${first}.${of})`,
    ...(isUnordered(of)
      ? []
      : [filled`${a} ${word('between', 'not between', 'between symmetric')} ${a} and ${a}`]),
    ...(own[of] ?? []),
  )
}

const rows = (one: Column, two: Column, from: string[]): Arbitrary<string> => {
  const row = filled`(${value(one, from, 0)}, ${value(two, from, 0)})`
  const sorts = isUnordered(one) || isUnordered(two) ? [] : ['<', '>=']
  return fc.oneof(
    filled`${row} ${word('=', 'is distinct from', ...sorts)} ${row}`,
    filled`${row} ${word('in', 'not in')} (select s.${one}, s.${two} from gen.more s)`,
    filled`${row} is not null`,
  )
}

const u = ['u']
const both = ['u', 'm']
const where = condition(u)
const shown = (from: string[]) => column.chain((of) => value(of, from))
const people = 'gen.people u'

/** Queries over the materialized view `gen.people` and the table `gen.more`. */
const query: Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: filled`select u.id, ${shown(u)} as a, ${condition(u, 1)} as b from ${people} where ${where}`,
  },
  {
    weight: 2,
    arbitrary: filled`select u.id as u, m.id as m, ${shown(both)} as a from ${people} ${word('join', 'left join', 'full join')} gen.more m using (${column})`,
  },
  fc
    .tuple(column, column)
    .chain(
      ([one, two]) =>
        filled`select u.id from (select id, ${one} as one, ${two} as two from ${people}) u natural ${word('', 'left')} join (select ${one} as one, ${two} as two from gen.more) m`,
    ),
  filled`select u.id as u, m.id as m from ${people} ${word('join', 'left join')} gen.more m on ${condition(both)}`,
  {
    weight: 2,
    arbitrary: filled`select j.id, ${shown(['j'])} as a, b.f is null as b from (gen.more u ${word('join', 'left join', 'right join', 'full join')} gen.base m using (id, mail)) ${word('join', 'full join')} ${people.replace(' u', ' j')} using (${column}) left join gen.base b on b.id = j.id where ${condition(['u'], 1)}`,
  },
  filled`select row_to_json(s) as r from (select id, b.day as n from gen.more m ${word('left join', 'full join')} gen.base b using (id) union all (values (1, '2024-01-01'::date), (2, null))) s, gen.more f left join ${people} on u.id = f.id where ${condition(['f', 'u'], 1)}`,
  ordered.chain(
    (of) =>
      filled`select u.${of} is null as is_null, count(*) as n, min(u.id) filter (where ${condition(u, 1)}) as least from ${people} group by u.${of} having count(*) > 0`,
  ),
  fc
    .tuple(ordered, ordered)
    .map(
      ([one, two]) =>
        `select count(*) as n, grouping(u.${one}, u.${two}) as g from ${people} group by grouping sets (rollup (u.${one}), cube (u.${two}, u.${one}), ())`,
    ),
  filled`select u.id, count(*) over w as n, rank() over (partition by u.${ordered} order by u.${ordered}) as r from ${people} window w as (partition by u.${ordered} order by u.${ordered}, u.id ${word('rows between 1 preceding and current row exclude ties', 'groups between 1 preceding and 1 following')})`,
  filled`select u.id, sum(u.id) over (order by ${word("u.day range between '40 days'::interval preceding and '1 day'::interval following", 'u.f range between 1 preceding and current row exclude group', "u.at desc range between '26 days' preceding and current row")}) as s from ${people}`,
  filled`select u.id from ${people} where ${where} order by u.${word('mail', 'path')} using operator(public.${word('<', '>')}) nulls last, u.code using >, u.id limit 3 offset 1`,
  ordered.chain(
    (of) =>
      filled`select distinct on (u.${of}) u.${of}, u.id, ${condition(u, 1)} as b from ${people} order by u.${of}, u.id desc`,
  ),
  ordered.chain(
    (of) =>
      filled`select u.${of} as a from ${people} where ${where} ${word('union', 'intersect', 'except', 'union all', 'except all')} select m.${of} from gen.more m`,
  ),
  filled`with recursive r(n, t) as (select u.id, u.${column}::text from ${people} where u.id = 1 union all select x.id, r.t || 'x' from r join gen.more x on x.id = r.n + 1 and x.id > r.n and (true or ${condition(['x'])})) ${word('cycle n set c using way', 'search breadth first by n set way', 'search depth first by t, n set way', '')} select n, t from r`,
  filled`select u.id, x.a from ${people} left join lateral (select ${shown(both)} as a, m.id from gen.more m where ${condition(both, 1)} order by m.id limit 1) x on true`,
  ordered.map(
    (of) =>
      `select count(distinct u.${of}) as n, mode() within group (order by u.${of}) as m, (array_agg(distinct u.${of} order by u.${of}))[1] as a from ${people}`,
  ),
  filled`select u.id, xmlelement(name a, xmlattributes(u.id as b), xmlforest((${shown(u)})::text as x), case when ${condition(u, 1)} then 'y' end)::text as x, xmlexists('/a' passing xmlelement(name a)) as e from ${people}`,
  filled`select u.id, x.* from ${people}, xmltable('/r/a' passing xmlelement(name r, xmlelement(name a, u.code)) columns c text path '.', n for ordinality) x where ${condition(u, 1)}`,
  filled`select array(select m.${word('mail', 'code', 'path', 'tags', 'grade')} from gen.more m order by m.id) as a, u.arr || u.id as b, u.arr[1:1] as c, array[[u.id], [2]] as d from ${people} where ${where}`,
  filled`select (q.x).n, (q.x).t from (select u.pair as x from ${people} where ${where}) q`,
  filled`select row_to_json(s) as r from (select u.id as one, ${condition(u, 1)} as "two words" from ${people} where ${where}) s`,
)

/** A query, the path on which its view is made, and of what kind that is. */
export const generatedView = fc.record({
  query,
  path: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...kindPaths) }, fc.constant(hidingPath)),
  kind: fc.constantFrom('materialized view', 'materialized view', 'view'),
})

/** Whether the server can read its own text of a query back as it was meant on this path. */
export const isReadBack = (path: string): boolean => path !== hidingPath
