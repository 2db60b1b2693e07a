import { literal } from '../../../sql/names.ts'

/** A word in a tree. The server writes a backslash before each character of a name that could end it; a space of Unicode could not. */
export const word = '(?:\\\\.|[^ (){}\\\\])+'
const names = `(?:<>|\\((?:${word} ?)*\\))`

/**
 * What says nothing about what a query means: places in its text, locks, how a cast, a row or a join was written, names of operators,
 * columns and aliases: beside the name of an operator stands its OID. Where a column is written, the joins that can make it null and the keys
 * by which a query is grouped follow from the rest; and of a function that stands last, the number of its columns.
 */
const named = `\\{ALIAS :aliasname ${word} :colnames ${names}\\}`
export const places: [pattern: string, instead: string] = [
  ' :[a-z_]*(?:location|_len|lockmode|_start|_end|format) -?\\d+',
  '',
]
const meaningless: [pattern: string, instead: string][] = [
  places,
  [
    ` :(?:resname ${word}|(?:operName|usingClause) ${names}|(?:isNatural|hasSubLinks) (?:true|false)|relkind \\w)`,
    '',
  ],
  [` :(?:alias|join_using_alias) (?:<>|${named})`, ''],
  [
    ' :varnosyn \\d+ :varattnosyn \\d+| :varnullingrels \\(b[ \\d]*\\)| :constraintDeps (?:<>|\\(o[ \\d]*\\))',
    '',
  ],
  [` :eref ${named}(?= :rtekind [09] )`, ''],
  [` :eref \\{ALIAS :aliasname ${word} :colnames (${names})\\}`, ' :columns \\1'],
  [' :funccolcount \\d+(?=[^{}]*\\}\\) :funcordinality false)', ''],
  // How the result of a path may be written, and that it is not wrapped, each in two forms; and the fields that a row got after it was written.
  [
    '(\\{JSONRETURNING :format \\{JSONFORMAT :format_type )\\d( :encoding 0\\} :typid 3802 :typmod -1\\} :passing_names )',
    '\\1\\2',
  ],
  [' :wrapper 1 ', ' :wrapper 0 '],
  [' ?(?:\\{CONST [^{}]* :constisnull true [^{}]*\\} ?)+\\)( :row_typeid \\d{5,} )', ')\\1'],
  // An empty array of a type that somebody made: its last four bytes say the type of its elements again.
  ['(\\{CONST :consttype \\d{5,} [^{}]* :constvalue 16 \\[ 64(?: 0){11})(?: -?\\d+){4} \\]', '\\1 ]'],
]

/**
 * What a join, a query or a function lists of its columns changes with the tables that it reads. Nothing but a row of all its columns uses
 * these lists, as `row_to_json(s)` names its fields by them: see `marked`. A column that USING merges is used if it is no plain column.
 */
const unused: [pattern: string, instead: string][] = [
  [`\\{RANGETBLENTRY :columns ${names}`, '{RANGETBLENTRY'],
  [' ?(?:\\{VAR [^{}]*\\} ?)*\\) :joinleftcols \\(i[ \\d]*\\) :joinrightcols \\(i[ \\d]*\\)', ')'],
]

/** A column or a constant. */
const leaf = '\\{(?:CONST|VAR) [^{}]*\\}'

/** The call of a function of one argument, as a cast is. */
const call = (id: string, argument: string): string =>
  `\\{FUNCEXPR :funcid ${id} :funcresulttype \\d+ :funcretset false :funcvariadic false :funccollid \\d+ :inputcollid \\d+ :args \\(${argument}\\)\\}`
const element = `(?:${leaf}|${call('\\d+', leaf)})`
const list = (elements: string): string =>
  `\\{ARRAYEXPR :array_typeid (\\d+) :array_collid (\\d+) :element_typeid (\\d+) :elements ${elements} :multidims false\\}`

/**
 * One list in two forms. The server reads `x in ('a', 'b')` of varchar as a list of varchar that is cast to text as a whole, and its own
 * text of that as a list of which each element is cast to text; and so for `array[0.25, 0.75]` where a function takes float8[]. Such casts
 * change no byte, or all elements by one function. Both forms are written as one, if they hold columns and constants only.
 */
const castAsWhole: [pattern: string, instead: string][] = (
  [
    [
      leaf,
      '\\{RELABELTYPE :arg \\{CASETESTEXPR [^{}]*\\} :resulttype (\\d+) :resulttypmod -1 :resultcollid \\d+\\}',
      '\\5',
    ],
    [
      element,
      call('(\\d+)', '\\{CASETESTEXPR [^{}]*\\}').replace(':funcresulttype \\d+', ':funcresulttype (\\d+)'),
      '\\6 \\5',
    ],
  ] as const
).map(([each, cast, as], at) => [
  `\\{ARRAYCOERCEEXPR :arg ${list(`(\\((?:${each} ?)+\\))`)} :elemexpr ${cast} :resulttype (\\d+) :resulttypmod -1 :resultcollid (\\d+)\\}`,
  `{LIST \\${6 + at} \\${7 + at} ${as} \\4}`,
])
const castOneByOne =
  `(${list(`\\((?:\\{RELABELTYPE :arg ${leaf}[^{}]*\\} ?)+\\)`)}|` +
  `${list(`\\(${call('(\\d+)', element)}(?: ${call('\\8', element)})*\\)`)})`
const asWhole: [pattern: string, instead: string][] = [
  [`^${list('(.*)')}$`, '{LIST \\1 \\2 \\3 \\4}'],
  ['^(.LIST \\d+ \\d+ \\d+) (..FUNCEXPR :funcid (\\d+))', '\\1 \\3 \\2'],
  [`\\{RELABELTYPE :arg (${leaf}) :resulttype \\d+ :resulttypmod -1 :resultcollid \\d+\\}`, '\\1'],
  [call('\\d+', `(${element})`), '\\1'],
]

/** An AND or an OR up to its parts. */
const junction = 'BOOLEXPR :boolop (and|or) :args '

/**
 * The parentheses and braces of a tree, and what stands between them. `depth` is how many are open behind a token; those of the same `level` stand
 * in pairs, one pair after the other.
 */
const tokens = (tree: string): string =>
  `select *, depth - case token when '{' then 1 when ')' then -1 else 0 end as level from (
select at, found[1] as token, lead(found[1]) over w as next, sum(case when found[1] in ('{', '(') then 1 when found[1] in ('}', ')') then -1 else 0 end) over w as depth
from regexp_matches(${tree}, '(?:\\\\.|[^(){}\\\\])+|[(){}]', 'g') with ordinality as t(found, at) window w as (order by at)) x`

/** The nodes of a tree, each with the place at which it is closed. */
const nodes = (tree: string): string =>
  `tokens as materialized (select *, lead(at) over (partition by level order by at) as closed from (${tokens(tree)}) x)`

/**
 * One condition in two forms. `a between 1 and 2 and b` is an AND whose first part is an AND; the server writes and reads it as one AND
 * of three. Both forms are written as the second: without the braces of an AND that is the first part of an AND, the two tokens behind the one
 * that opens (its name, and the parenthesis of its parts), and the one before the one that closes.
 */
const flattened = (tree: string): string =>
  `case when ${tree} !~ '${junction}\\(\\{BOOLEXPR :boolop \\1 ' then ${tree} else (
with opening as (
select *, token = '{' and lag(token) over w = '(' and next ~ '^${junction}$' and next = lag(token, 2) over w as opens
from (${tokens(tree)}) x window w as (order by at)),
closing as (select *, token = '}' and lag(opens, 1, false) over (partition by level order by at) as closes from opening),
parts as (
select *, opens or closes or lag(opens, 1, false) over w or lag(opens, 2, false) over w or lead(closes, 1, false) over w as gone
from closing window w as (order by at))
select string_agg(token, '' order by at) from parts where not gone) end`

/** Marks the entries that a row of all columns stands for, which keep their lists: that of its number in the query so many levels above it. */
const anonymousRow = 'VAR :varno (\\d+) :varattno 0 :vartype 2249 .* :varlevelsup (\\d+)'
const marked = (tree: string): string =>
  `case when ${tree} !~ '${anonymousRow}' then ${tree} else (
with ${nodes(tree)},
queries as materialized (select * from tokens where token = '{' and next like 'QUERY %'),
entries as (select *, row_number() over (partition by query order by at) as number from (
select e.*, (select max(q.at) from queries q where q.depth = e.depth - 2 and q.at < e.at) as query from tokens e where e.token = '{' and e.next like 'RANGETBLENTRY %') e),
kept as (select distinct e.at, e.closed, e.depth from tokens r cross join lateral regexp_match(r.token, '${anonymousRow}') m(found) cross join lateral (
select q.at from queries q where q.at < r.at and q.closed > r.at order by q.at desc limit 1 offset found[2]::int) q
join entries e on e.query = q.at and e.number = found[1]::int)
select string_agg(case when e.at is null then t.token when t.at = e.at + 1 then replace(t.token, 'RANGETBLENTRY ', 'RANGETBLENTRY_OF_ROW ') else replace(t.token, ':joinleftcols', ':left') end, '' order by t.at)
from tokens t left join kept e on t.at = e.at + 1 or t.at between e.at and e.closed and t.depth = e.depth and t.token like ' :joinleftcols%') end`

/**
 * VALUES in two forms. `select 1 as c union values (2)` has the rows beside it; the server writes and reads the second part as a query of
 * all their columns. Both forms are written as the first.
 */
const direct = (tree: string): string => {
  const entry = 'RANGETBLENTRY :rtekind'
  const query = [`${entry} 1 :subquery `, 'QUERY [^{}()]* :rtable ', `${entry} 5 `] as const
  const column = '\\{TARGETENTRY :expr \\{VAR :varno 1 :varattno (\\d+) [^{}]*\\} :resno (\\d+)'
  const rest = `^\\)[^{}()]* :jointree \\{FROMEXPR :fromlist \\(\\{RANGETBLREF :rtindex 1\\}\\) :quals <>\\}[^{}()]*\\((?:${column}[^{}()]*\\} ?)+\\)[^{}()]*\\}[^{}()]* :inFromCl true (?:[^{}()]|\\(b\\))*\\}$`
  return `case when ${tree} !~ '\\{${query[0]}\\{${query[1]}\\(\\{${query[2]}' then ${tree} else (
with ${nodes(tree)},
queries as (select e.at, e.closed, v.at as from, v.closed as until
from tokens e join tokens q on q.at = e.at + 3 join tokens v on v.at = e.at + 5
cross join lateral (select string_agg(x.token, '' order by x.at) from tokens x where x.at > v.closed and x.at <= e.closed) x(rest)
where e.token = '{' and e.next = '${query[0]}' and q.token ~ '^${query[1]}$' and v.next like '${query[2]}%' and x.rest ~ '${rest}'
and not exists (select from regexp_matches(x.rest, '${column}', 'g') c(found) where found[1] <> found[2]))
select string_agg(t.token, '' order by t.at) from tokens t left join queries q on t.at >= q.at and t.at < q.from or t.at > q.until and t.at <= q.closed where q.at is null) end`
}

/** A number that may be an OID of what somebody has made, or a constant whose value may be one, as `'app.sales'::regclass` or that of an enum. */
const oids =
  ' [1-9]\\d{4,9}(?![\\w.])|\\{CONST :consttype (?:24|220[2-6]|4191|\\d{5,}) [^{}]* :constvalue 4 \\[[^]]*\\]\\}'

/** The value of such a place, as an int8. The bytes of a constant are in the server's order, and zeros fill them up. */
const numberOf = (found: string): string => `case when ${found} like '{%'
  then (select sum((b.byte::int8 + 256) % 256 * 256 ^ least(b.at - 1, 8 - b.at))::int8 from string_to_table(rtrim(split_part(${found}, '[ ', 2), ' ]}'), ' ') with ordinality b(byte, at))
  else trim(${found})::int8 end`

/** What trees say of objects that somebody has made. */
export interface Naming {
  /** Writes the name of view `c` in schema `n`. */
  nameOf?: string | undefined
  /** Whether other objects are written by name, too: they may be dropped and made again. */
  all?: boolean
}

/** What people call the object with OID `o.oid`, as an expression. OIDs of two catalogs are hardly ever the same. */
const identity = `(select string_agg(i.identity, ' ') from (select (pg_identify_object(k.class::regclass, o.oid, 0)).identity
                    from (values ('pg_class'), ('pg_type'), ('pg_proc'), ('pg_operator'), ('pg_collation')) k(class)
                  union all select concat(e.enumtypid::regtype, ' ', e.enumlabel) from pg_enum e where e.oid = o.oid) i)`

/** The forms that are known to be equal, in the order in which a tree without what is meaningless is brought into one of them. */
const forms: ((tree: string) => string)[] = [
  marked,
  (tree) => replaced(tree, unused),
  flattened,
  (tree) => replaced(direct(tree), castAsWhole),
  (tree) =>
    `(select string_agg(x.piece || coalesce(${replaced('x.found[1]', asWhole)}, ''), '' order by x.at) from ${pieces(tree, castOneByOne)})`,
]

/**
 * The normal form of a query's or an expression's parse tree, as an expression of SQL: two mean the same if it is the same. `tree` is an
 * expression for a text. Views, tables and their row types are written by name, so that the form survives an exchange, of a view by an incremental table, too: `self` is the OID
 * of the view whose tree it is.
 */
export const normalTree = (
  tree: string,
  self: string,
  { nameOf = `format('%I.%I', n.nspname, c.relname)`, all = false }: Naming = {},
): string => `(
  select string_agg(x.piece || coalesce(' ' || (
           select coalesce((
             select case c.oid when ${self} then 'self' else ${nameOf} end || case o.oid when c.oid then '' when c.reltype then '.row' else '.rows' end
               from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where c.relkind in ('m', 'v', 'r') and c.oid in (o.oid, (select t.typrelid from pg_type t where t.oid = o.oid),
                      (select e.typrelid from pg_type t join pg_type e on e.oid = t.typelem where t.oid = o.oid))
              order by c.oid = o.oid desc limit 1)${all ? `, ${identity}` : ''})
             from (select case when v.number < 4294967296 then v.number::oid end from (select ${numberOf('x.found[1]')} offset 0) v(number)) as o(oid)
           ), x.found[1], ''), '' order by x.at)
    from ${forms.reduce((from, form) => `(select ${form('t.tree')} as tree from ${from} t offset 0)`, `(select ${replaced(tree, meaningless)} as tree offset 0)`)} t,
         ${pieces('t.tree', oids)})`

/** What stands between the places of a pattern, each with what follows it. */
const pieces = (text: string, pattern: string): string =>
  `rows from (regexp_split_to_table(${text}, ${literal(pattern)}), regexp_matches(${text}, ${literal(pattern)}, 'g')) with ordinality as x(piece, found, at)`

export const replaced = (text: string, patterns: [string, string][]): string =>
  patterns.reduce(
    (sql, [pattern, instead]) => `regexp_replace(${sql}, ${literal(pattern)}, ${literal(instead)}, 'g')`,
    text,
  )

/** A query for one text: the hash of what the query of a view means, plain or with rows of its own. */
export const meaningQuery = (relation: string, nameOf?: string): string =>
  `select md5(${normalTree('w.ev_action::text', relation, { nameOf })}) from pg_rewrite w where w.ev_class = ${relation} and w.rulename = '_RETURN'`
