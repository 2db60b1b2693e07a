import type { LiveView } from './live-view.ts'

/**
 * SQL that the server wrote, as the server reads it. The server writes the marks of a CYCLE clause as casts, `TO 'Y'::text`,
 * but reads only constants there, `TO text 'Y'`. No such constant has an array type: see `isUnreadable`. And it writes the operator of the
 * first columns between two rows, `ROW(a, b) OPERATOR(public.<) ROW(c, d)`, although each pair has its own of that name.
 */
export const readable = (sql: string): string =>
  sql
    .replace(rowsOrQuoted, (found, operator) => (operator === undefined ? found : `) ${operator} ROW(`))
    .replace(marksOrQuoted, (found, column, mark, otherwise) =>
      column === undefined
        ? found
        : ` SET ${column} TO ${constant(mark)} DEFAULT ${constant(otherwise)} USING `,
    )

/** Whether the server cannot read a text, although it wrote the text and `readable` has mended what it can. */
export const isUnreadable = (sql: string): boolean =>
  [...sql.matchAll(marksOrQuoted)].some(([, column, ...marks]) => column !== undefined && marks.some(isCast))

/** What an `isUnreadable` text has, after "its query has". */
export const unreadableClause =
  'a CYCLE clause with marks of an array type, which the server writes in a form that it cannot read'

/** A live view with all its SQL `readable`. */
export const readableView = (live: LiveView): LiveView => ({
  ...live,
  view: { ...live.view, definition: readable(live.view.definition) },
  rules: live.rules.map((rule) => ({ ...rule, definition: readable(rule.definition) })),
  dependents: live.dependents.map((each) => ({
    ...each,
    view: each.view && { ...each.view, definition: readable(each.view.definition) },
  })),
})

const text = `'(?:[^']|'')*'`
const name = '"(?:[^"]|"")*"'
const mark = `((?:${text}|[\\w.]+)(?:::(?:${name}|[^'"])+?)?)`

/** The marks of a CYCLE clause; or a text or a name, in which the same words are no clause. */
const marksOrQuoted = new RegExp(
  ` SET (${name}|[^\\s"']+) TO ${mark} DEFAULT ${mark} USING |${text}|${name}`,
  'g',
)
const rowsOrQuoted = new RegExp(
  `\\) OPERATOR\\((?:${name}|[\\w$]+)\\.([<>]=?)\\) ROW\\(|${text}|${name}`,
  'g',
)
const cast = new RegExp(`^(${text}|[\\w.]+)::(.+)$`, 's')

const isCast = (mark: unknown): boolean => typeof mark === 'string' && cast.test(mark)

/** `'Y'::text` as `text 'Y'`. */
function constant(mark: string): string {
  const [, value, type] = cast.exec(mark) ?? []
  if (value === undefined || type === undefined || type.endsWith('[]')) return mark
  if (value === 'NULL') return value
  // `interval '02:00:00' hour`
  const [, interval, fields = ''] = /^(interval(?:\(\d+\))?)( [a-z ]+)?$/.exec(type) ?? []
  const quoted = value.startsWith("'") ? value : `'${value}'`
  return interval === undefined ? `${type} ${quoted}` : `${interval} ${quoted}${fields}`
}
