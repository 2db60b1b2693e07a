import { flushLeft } from '../../../sql/names.ts'
import { type Naming, normalTree, places, replaced } from './normal-form.ts'

/**
 * A query for the trees of a view: that of its query, and those of its indexes and statistics objects, as far as they have
 * expressions. Columns: `part`, `name`, `tree`. See `normalTree`.
 */
const treesQuery = (relation: string, naming?: Naming): string =>
  partsQuery(relation, normalTree('t.tree', relation, naming))

const partsQuery = (relation: string, form: string): string => `
select t.part, t.name, ${form} as tree
  from (select 'query', null, w.ev_action::text from pg_rewrite w where w.ev_class = ${relation} and w.rulename = '_RETURN'
        union all
        select 'index', c.relname, concat(i.indexprs, ' ', i.indpred) from pg_index i join pg_class c on c.oid = i.indexrelid
         where i.indrelid = ${relation} and (i.indexprs is not null or i.indpred is not null)
        union all
        select 'statistics', s.stxname, s.stxexprs::text from pg_statistic_ext s where s.stxrelid = ${relation} and s.stxexprs is not null
       ) as t(part, name, tree)`

/**
 * A query for one text: in which parts the trees of a view and of its copy differ; null if they mean the same. All arguments are expressions
 * without names; for `nameOf` see `Naming`.
 */
export const treeDifferences = (view: string, copy: string, nameOf?: string): string =>
  flushLeft(`
with trees as (select r.*, t.* from (values (${view}, 'view'), (${copy}, 'copy')) as r(relation, side), lateral (${treesQuery('r.relation', { nameOf })}) as t)
select string_agg(distinct case a.part when 'query' then ${placeQuery('a.tree', 'b.tree')} else concat('the expressions of ', a.part, ' ', a.name) end, ', ')
  from trees a left join trees b on b.side = 'copy' and b.part = a.part and (a.part = 'query' or b.tree = a.tree)
 where a.side = 'view' and b.tree is distinct from a.tree`)

/**
 * A query for one text, empty if the trees of views are those of their copies but for places and forms of texts, and for the copies that they read
 * instead of views: then `treeDifferences` of each finds nothing, and need not be planned. `read`: all copies; `shadow` is an expression for an OID.
 */
export const sameTrees = (views: CopiedRelation[], read: CopiedRelation[]): string => `
select case when count(t.trees) = ${2 * views.length} and count(distinct (r.view, t.trees)) = ${views.length} then '' end
  from (values ${views.map(({ oid, shadow }) => `(${oid}, ${oid}::oid), (${oid}, ${shadow})`).join(', ')}) as r(view, relation), lateral (
    select string_agg(concat(t.part, t.tree), e'\n' order by t.part, t.tree collate "C") from (${partsQuery(
      'r.relation',
      read.reduce(
        (text, { oid, shadow }) => `replace(${text}, concat(' ', ${shadow}, ' '), ' ${oid} ')`,
        replaced('t.tree', [places]),
      ),
    )}) as t) as t(trees)`

interface CopiedRelation {
  oid: number
  shadow: string
}

/** A query for one text: the trees of a view with the names of their parts. */
export const treesText = (relation: string, naming?: Naming): string =>
  `select string_agg(concat_ws(' ', t.part, t.name, t.tree), e'\n' order by t.part, t.name collate "C") from (${treesQuery(relation, naming)}) as t`

/** A query for one text: the hash of the trees of some views. */
export const treesHash = (oids: number[]): string => `
select md5(string_agg(t.trees, e'\n' order by r.oid)) from unnest(array[${oids.join(', ')}]::oid[]) r(oid), lateral (${treesText('r.oid')}) as t(trees)`

/**
 * An expression for one text: where two trees differ, as `its WHERE: operator a.=(a.t,a.t) is read as operator =(text,text)`, or with the node
 * and its field, as `its FROM: JOINEXPR.jointype 0 is read as 1`. Both are expressions, too.
 */
const placeQuery = (before: string, after: string): string => `(
  with tokens as materialized (
    select *, sum(length(translate(braces, '}', '')) - length(translate(braces, '{', ''))) over (order by at) as depth
      from string_to_table(${before}, ' ') with ordinality t(token, at), regexp_replace(token, '\\\\.', '', 'g') braces)
  select concat(coalesce(
           (select case t.token ${clauses.map(([field, said]) => `when '${field}' then '${said}'`).join(' ')} end from tokens t
             where t.at < x.at and t.token in (${clauses.map(([field]) => `'${field}'`).join(', ')}) order by t.at desc limit 1), 'an expression'), ': ',
           coalesce(${saidOf('x.was', 'x.field')} || ' is read as ' || ${saidOf('x.is', 'x.field')}, (
             select concat(substring(t.token, '\\{(\\w+)$'), '.', ltrim(x.field, ':'), coalesce(' ' || nullif(${plain('x.was')}, ${plain('x.is')}) || ' is read as ' || ${plain('x.is')}, ' is read otherwise')) from tokens t
              where t.at < x.at and t.token ~ '\\{\\w+$' and t.depth = (select p.depth from tokens p where p.at = x.at - 1) order by t.at desc limit 1), 'it is read otherwise'))
    from (select *, (select f.token from tokens f where f.at < x.at and f.token like ':%' order by f.at desc limit 1) as field
            from (select at, a.token as was, b.token as is from tokens a full join string_to_table(${after}, ' ') with ordinality b(token, at) using (at)) x
           where x.was is distinct from x.is order by x.at limit 1) x)`

const clauses = [
  [':cteList', 'its WITH'],
  [':rtable', 'its FROM'],
  [':jointree', 'its FROM or WHERE'],
  [':targetList', 'its SELECT'],
  [':groupClause', 'its GROUP BY'],
  [':havingQual', 'its HAVING'],
  [':windowClause', 'its WINDOW'],
  [':distinctClause', 'its DISTINCT'],
  [':sortClause', 'its ORDER BY'],
  [':limitOffset', 'its LIMIT'],
]

/** A number, a word, or the name of a node, without what opens or closes around it. */
const plain = (token: string): string => `substring(${token}, '^[({]*([\\w.<>-]{1,63})[)}]*$')`

/** What a field of a tree holds, in words; null if it is nothing of a catalog, and no constant. */
const saidOf = (value: string, field: string): string => {
  const oid = `rtrim(${value}, '})')::int8::oid`
  const described = (catalog: string) => `pg_describe_object('${catalog}'::regclass, ${oid}, 0)`
  return `case when ${field} = ':constvalue' then 'a constant' when ${value} !~ '^[1-9]\\d{0,8}[})]*$' then null
    when ${field} ~ '^:(opno|eqop|sortop)$' then ${described('pg_operator')}
    when ${field} ~ '^:(\\w*funcid|aggfnoid|winfnoid)$' then ${described('pg_proc')} when ${field} ~ 'colli?d?$' then ${described('pg_collation')}
    when ${field} ~* 'type(id)?$' then 'type ' || format_type(${oid}, null) when ${field} = ':relid' then ${described('pg_class')} end`
}
