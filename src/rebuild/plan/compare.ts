import type { LiveView } from '../../catalog/plan/live-view.ts'
import { unquoted } from '../../words/names.ts'

/** Columns of old or new data; types as SQL writes them. */
export type Columns = { name: string; type: string }[]

/** Old and new data that are compared. */
export interface Compared {
  /** The view that readers see, as SQL writes it. */
  view: string
  columns: Columns
  /** The new data: a relation, or a query in parentheses. */
  data: string
  dataColumns: Columns
  /** The columns that identify a row, before and after; null: rows are compared as wholes. */
  key: string[] | null
  /** The collations of columns of the view, as SQL writes them. */
  collations?: Record<string, string>
}

/** Types that have an order and no hash. */
const withoutHash = /^(bit|tsvector|tsquery|money)\b/
const kinds = ['added', 'gone', 'changed']

/**
 * The columns of the first unique index that identifies rows, of plain columns and without a condition, if the new data have them
 * all; null if there is no such index.
 */
export function keyOf({ indexes }: Pick<LiveView, 'indexes'>, after: Columns): string[] | null {
  for (const { unique, hasExpressions, rest } of indexes) {
    const [, list] =
      /^using \w+ \(((?:"(?:[^"]|"")*"|[^"()]|\((?:"(?:[^"]|"")*"|[^"()])*\))*)\)/i.exec(rest) ?? []
    if (!unique || hasExpressions || list === undefined) continue
    const parts = list.match(/(?:"(?:[^"]|"")*"|[^",(]|\([^)]*\))+/g) ?? []
    const key = parts.map((part) => unquoted(/^\s*("(?:[^"]|"")*"|\S+)/.exec(part)?.[1] ?? ''))
    if (key.every((column) => after.some(({ name }) => name === column))) return key
  }
  return null
}

/** The columns that old and new data share, each with its type and place in both. */
export const sharedOf = ({ columns, dataColumns }: Pick<Compared, 'columns' | 'dataColumns'>) =>
  columns.flatMap(({ name, type }, at) => {
    const other = dataColumns.findIndex((column) => column.name === name)
    const now = dataColumns[other]?.type
    return now === undefined ? [] : [{ name, type, now, at, other, isSame: type === now }]
  })

/**
 * A query for `Counts` as one JSON object. With `details` it also has the changes by column, the rows beyond the first of a key, and
 * up to ten rows. One statement compares both sides in one snapshot, and the server joins them. Values are compared byte by
 * byte, which every type allows; a column of another type as text. A row whose key is null somewhere is compared as a whole. The
 * hash of the key lets the server sort numbers.
 */
export function comparison(compared: Compared, { details = false } = {}): string {
  const { view, columns, data, dataColumns, key, collations = {} } = compared
  const shared = sharedOf(compared)
  const values = shared.map((_, at) => `v${at}`)
  const keys = (key ?? []).map((column) => {
    const at = shared.findIndex(({ name }) => name === column)
    const { isSame = true, type = '' } = shared[at] ?? {}
    const collation = isSame ? collations[column] : '"C"'
    const value = `v${at}${collation ? ` collate ${collation}` : ''}`
    return { value, hashed: withoutHash.test(type) ? `v${at}::text` : value }
  })
  const hasKey = key === null ? 'false' : `row(${keys.map(({ value }) => value).join(', ')}) is not null`
  const whole = `case when not (${hasKey}) then row(${values.join(', ')})::text collate "C" end`
  const row = (parts: string[]) => `row(${[...parts, whole].join(', ')})`
  const side = (from: string, all: Columns, isNew: boolean) => {
    const read = shared.map(
      ({ at, other, isSame }, n) => `, c${isNew ? other : at}${isSame ? '' : '::text'} as v${n}`,
    )
    return `(select *, row_number() over (partition by hash, id) as n
  from (select *, ${row(keys.map(({ value }) => value))} as id, ${hasKey} as has_key,
               hash_record_extended(${row(keys.map(({ hashed }) => hashed))}, 0) as hash
          from (select 1${read.join('')} from ${from} as q${all.length === 0 ? '' : ` (${all.map((_, at) => `c${at}`).join(', ')})`}) as q) as q)`
  }
  const differs = (before: string[], after: string[]) =>
    `row(${before.join(', ')})::record *<> row(${after.join(', ')})::record`
  const of = (side: string) => values.map((value) => `${side}.${value}`)
  const counts = kinds.map((kind) => `'${kind}', count(*) filter (where kind = '${kind}')`)
  const changes = values.map(
    (_, at) => `count(*) filter (where kind = 'changed' and ${differs([`o${at}`], [`n${at}`])})`,
  )
  const shown = (side: string) =>
    `to_jsonb(array[${values.map((_, at) => `left(${side}${at}::text, 200)`).join(', ')}]::text[])`
  const seen = kinds.map((kind) => `when '${kind}' then count(*) filter (where kind = '${kind}') over w`)
  return `with joined as (
  select o.n as o, n.n as n, n.n > 1 and n.has_key as repeated,
         case when o.n is null then 'added' when n.n is null then 'gone' when ${differs(of('o'), of('n'))} then 'changed' end as kind${
           details ? values.map((value, at) => `, o.${value} as o${at}, n.${value} as n${at}`).join('') : ''
         }
    from ${side(view, columns, false)} as o
    full join ${side(data, dataColumns, true)} as n on o.hash = n.hash and o.n = n.n and o.id = n.id)
select jsonb_build_object('before', count(o), 'after', count(n), ${counts.join(', ')}${
    details
      ? `, 'repeated', count(*) filter (where repeated), 'columns', to_jsonb(array[${changes.join(', ')}]::bigint[]),
  'examples', coalesce(jsonb_agg(jsonb_build_array(kind, ${shown('o')}, ${shown('n')}))
                         filter (where seen <= 3 or kind = 'changed' and seen <= 4), '[]')) as found
  from (select *, case kind ${seen.join(' ')} end as seen from joined window w as (rows unbounded preceding)) as joined`
      : ') as found from joined'
  }`
}
