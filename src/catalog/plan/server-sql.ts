import { tokensIn } from '../../sql/sql-tokens.ts'
import type { LiveView } from './live-view.ts'

/**
 * SQL that the server wrote, as the server reads it. The server writes the marks of a CYCLE clause as casts, `TO 'Y'::text`,
 * but reads only constants there, `TO text 'Y'`. No such constant has an array type: see `isUnreadable`. And it writes the operator of the
 * first columns after a row, `ROW(a, b) OPERATOR(public.<) ROW(c, d)`, `(a, b) OPERATOR(public.=) ANY (SELECT`, although each pair of
 * columns has its own of that name.
 */
export const readable = (sql: string): string =>
  (sql.includes(') OPERATOR(') ? withRowOperators(sql) : sql).replace(
    marksOrQuoted,
    (found, column, mark, otherwise) =>
      column === undefined
        ? found
        : ` SET ${column} TO ${constant(mark)} DEFAULT ${constant(otherwise)} USING `,
  )

/** Writes the operators after rows without their schemas. A row is in parentheses of its own, and has a comma. */
function withRowOperators(sql: string): string {
  const tokens = [...tokensIn(sql)].filter(({ kind }) => kind !== 'space')
  const open: { mayBeRow: boolean; isRow: boolean }[] = []
  let closed: (typeof open)[number] | undefined
  let written = ''
  let done = 0
  for (const [index, { text, at }] of tokens.entries()) {
    const before = tokens[index - 1]?.text
    if (text === 'OPERATOR' && before === ')' && closed?.isRow) {
      // OPERATOR ( schema . operator )
      const dot = tokens[index + 3]?.at ?? at
      const end = sql.indexOf(')', dot)
      written += sql.slice(done, at) + sql.slice(dot + 1, end)
      done = end + 1
    } else if (text === '(') open.push({ mayBeRow: before === '(' || before === 'ROW', isRow: false })
    else if (text === ')') closed = open.pop()
    else if (text === ',') for (const row of open.slice(-1)) row.isRow = row.mayBeRow
  }
  return written + sql.slice(done)
}

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
