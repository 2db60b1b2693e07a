const kinds = ['space', 'comment', 'text', 'name', 'word', 'number', 'other'] as const

/** A piece of SQL. All pieces together are the text. `name`: a quoted one; a `word` is a keyword or a name. */
export interface Token {
  kind: (typeof kinds)[number]
  text: string
  at: number
  /** Whether a comment, a text or a quoted name has its end. */
  closed: boolean
}

const begins =
  /(\s+)|(--[^\n\r]*|\/\*)|((?:[EeBbXxNn]|[Uu]&)?'|\$(?:[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*)?\$)|((?:[Uu]&)?")|([A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*|\$\d+)|(\.?\d[\w.]*(?:(?<=[Ee])[+-]?\d+)?)|(::|.)/suy

/** Two texts with only a line break and comments between them are one: an `E` holds for both. */
const goesOn = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:\s|--[^\n\r]*[\n\r])*'/y

/**
 * The tokens of SQL, as the server's scanner reads them with `standard_conforming_strings`. PostgreSQL's own parser
 * (`src/authored/sql/read.ts`) is too large for a Lambda, refuses a text that is cut, and takes a hundred times the memory
 * of the text; the server tells nobody its tokens. So this is the only reader of SQL besides these two.
 */
export function* tokensIn(sql: string): Generator<Token> {
  for (let at = 0; at < sql.length; ) {
    begins.lastIndex = at
    const found = begins.exec(sql) as RegExpExecArray
    const kind = kinds.find((_, index) => found[index + 1] !== undefined) as Token['kind']
    const end = endOf(sql, kind, found[0], begins.lastIndex)
    const text = sql.slice(at, end)
    yield { kind, text, at, closed: end !== undefined }
    at += text.length
  }
}

/** Where the token ends that begins with `start`; undefined if it has no end. */
function endOf(sql: string, kind: Token['kind'], start: string, from: number): number | undefined {
  if (start === '/*') return endAfter(sql, from, /\/\*|\*\//g, (mark) => (mark === '/*' ? 1 : -1))
  if (kind === 'name') return endAfter(sql, from, /""|"/g, (mark) => (mark === '"' ? -1 : 0))
  if (kind !== 'text') return from
  if (start.endsWith('$')) {
    const end = sql.indexOf(start, from)
    return end < 0 ? undefined : end + start.length
  }
  const marks = /^[Ee]/.test(start) ? /\\[\s\S]|''|'/g : /''|'/g
  const end = endAfter(sql, from, marks, (mark) => (mark === "'" ? -1 : 0))
  goesOn.lastIndex = end ?? sql.length
  return goesOn.test(sql) ? endOf(sql, kind, start, goesOn.lastIndex) : end
}

/** Where the depth, which is 1 at the beginning, becomes 0. */
function endAfter(
  sql: string,
  from: number,
  marks: RegExp,
  step: (mark: string) => number,
): number | undefined {
  marks.lastIndex = from
  for (let depth = 1, found = marks.exec(sql); found !== null; found = marks.exec(sql)) {
    depth += step(found[0])
    if (depth === 0) return marks.lastIndex
  }
  return undefined
}
