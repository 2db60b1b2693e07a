import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'

/** An incremental table, as the statement needs it that makes it like its query. */
export interface KeptTable extends QualifiedName {
  columns: string[]
  /**
   * The columns of the unique index by which a row stays the same row, each with the operator that compares it, and a cast to what that takes if it is not
   * the server's own; none: whole rows are compared.
   */
  key: { column: string; cast: string; equals: string }[]
  /** The columns of other indexes that one statement could violate on its way. */
  others: string[]
}

/**
 * Which rows: conditions on a column of a row, of which each row meets at most one. Null: all of them. `reads`: a query for one row that is asked before; in the
 * conditions `$1` stands for the values of the column, `$2` for whether null is one, and `$3` for whether they are all.
 */
export type SomeRows = { by: string; reads?: string; conditions: ((key: string) => string)[] } | null

/**
 * The statement that makes an incremental table like its query, or some of its rows. It reads both at one moment, compares images of rows, and writes only what
 * differs. By the key, a row that is there stays the same row, so that foreign keys to it hold, unless it changes what another unique index has; a key that the
 * query gives twice is violated. Without, rows are numbered among those that are equal. What does not stay is deleted and inserted: deletes come first. All
 * names are the catalog's or have a schema.
 */
export function writeDifference(table: KeptTable, query: QualifiedName, some: SomeRows): string {
  if (some?.reads !== undefined) return afterReading(table, query, some as Required<typeof some>)
  const relation = quoteName(table)
  const columns = table.columns.map(quoteIdentifier)
  const rowOf = (of: string, from = columns) => `row(${from.map((column) => `${of}.${column}`).join(', ')})`
  const isByKey = table.key.length > 0
  const keys = table.key.map(({ column, cast }) => `${quoteIdentifier(column)}${cast}`)
  const from = (what: string, chosen: string) => {
    const parts = (some?.conditions ?? [() => 'true']).map(
      (condition) =>
        `select ${chosen}${rowOf('x')}::${relation} as r${isByKey ? keys.map((key, at) => `, x.${key} as k${at}`).join('') : ''} from ${what} as x where ${condition(`x.${quoteIdentifier(some?.by ?? '')}`)}`,
    )
    const all = parts.join('\nunion all ')
    return isByKey
      ? `select true as there, x.* from (${all}) as x`
      : `select true as there, x.*, pg_catalog.row_number() over w operator(pg_catalog.-) pg_catalog.rank() over w as nr from (${all}) as x window w as (order by x.r using operator(pg_catalog.*<))`
  }
  const others = table.others.map(quoteIdentifier)
  const [on, differs, stays] = isByKey
    ? [
        table.key.map(({ equals }, at) => `n.k${at} ${equals} o.k${at}`).join(' and '),
        'n.there is null or o.there is null or not n.r operator(pg_catalog.*=) o.r',
        `n.there and o.there${others.length === 0 ? '' : ` and ${rowOf('(n.r)', others)}::pg_catalog.record operator(pg_catalog.*=) ${rowOf('(o.r)', others)}::pg_catalog.record`}`,
      ]
    : [
        'n.r operator(pg_catalog.*=) o.r and n.nr operator(pg_catalog.=) o.nr',
        'n.there is null or o.there is null',
        'false',
      ]
  const of = (column: string) => `(d.r).${column}`
  // As an array, by which the server looks at these rows alone.
  const stands = (which: string) =>
    `t.ctid operator(pg_catalog.=) any (array(select d.place from differing as d where ${which}))`
  const update = `,
changed as (
  update only ${relation} as t set ${columns.map((column) => `${column} = ${of(column)}`).join(', ')}
    from differing as d where t.ctid operator(pg_catalog.=) d.place and ${stands('d.stays')} returning 1)`
  // An old row that has more than one new one. They are inserted, too, and the index says so.
  const doubled = `
union all
select n.r from new_rows as n join old_rows as o on ${on}
  join (select j.place from joined as j group by j.place having pg_catalog.count(*) operator(pg_catalog.>) 1) as j on j.place operator(pg_catalog.=) o.place
 where (select pg_catalog.count(j.place) from joined as j) operator(pg_catalog.>) (select pg_catalog.count(*) from old_rows)`
  return `with new_rows as materialized (
  ${from(quoteName(query), '')}),
old_rows as materialized (
  ${from(`only ${relation}`, 'x.ctid as place, ')}),
joined as ${isByKey ? '' : 'not '}materialized (
  select j.place, j.is_new, j.differs, case when j.differs then j.r end as r, j.differs and j.stays as stays
    from (select o.place, n.r, n.there is not null as is_new, ${differs} as differs, ${stays} as stays from new_rows as n full join old_rows as o on ${on} offset 0) as j),
differing as materialized (
  select d.place, d.r, d.is_new, d.stays is true as stays from joined as d where d.differs),
gone as (
  delete from only ${relation} as t where ${stands('d.place is not null and not d.stays')} returning 1)${isByKey ? update : ''}
insert into ${relation} (${columns.join(', ')})
select ${columns.map(of).join(', ')} from (
select d.r from differing as d where d.is_new and not d.stays and (select pg_catalog.count(*) from gone) operator(pg_catalog.>=) 0${isByKey ? doubled : ''}) as d`
}

/**
 * The server plans the statement for these values, as if they stood in it: how many they are decides whether it looks each up, or hashes them and reads all rows,
 * and nothing is left of a condition that all rows meet.
 */
const afterReading = (
  table: KeptTable,
  query: QualifiedName,
  { reads, ...some }: Required<NonNullable<SomeRows>>,
): string =>
  `do ${literal(`declare found pg_catalog.record;
begin
  ${reads} into strict found;
  execute ${literal(writeDifference(table, query, some))} using found.keys, found.has_null, found.is_all;
end`)}`
