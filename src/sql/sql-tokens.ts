import { folded, type ViewName } from './names.ts'

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
 * (`src/authored/sql/parser.ts`) is too large for a Lambda, refuses a text that is cut, and takes a hundred times the memory
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

/** Reads SQL from left to right, without its space and comments. */
export class SqlReader {
  private readonly tokens: Token[]
  private at = 0

  constructor(sql: string) {
    this.tokens = [...tokensIn(sql)].filter(({ kind }) => kind !== 'space' && kind !== 'comment')
  }

  /** Passes one of these phrases, if it comes next, and returns it. */
  takes<T extends string>(...phrases: T[]): T | undefined {
    const taken = phrases.find((phrase) =>
      phrase.split(' ').every((word, index) => this.textAt(index)?.toLowerCase() === word),
    )
    if (taken !== undefined) this.at += taken.split(' ').length
    return taken
  }

  /** Passes a name, with or without its schema, if one comes next, and returns it. */
  takesName(): ViewName | undefined {
    const [first, second] = [this.nameAt(0), this.textAt(1) === '.' ? this.nameAt(2) : undefined]
    if (first === undefined) return undefined
    this.at += second === undefined ? 1 : 3
    return second === undefined ? { schema: null, name: first } : { schema: first, name: second }
  }

  get isAtEnd(): boolean {
    return this.at >= this.tokens.length
  }

  /** Passes one token, whatever it is. */
  skip(): void {
    this.at++
  }

  /** Passes everything up to one of these phrases and the phrase, and returns it; undefined if there is none. */
  finds<T extends string>(...phrases: T[]): T | undefined {
    for (; !this.isAtEnd; this.skip()) {
      const found = this.takes(...phrases)
      if (found !== undefined) return found
    }
    return undefined
  }

  private textAt = (ahead: number): string | undefined => this.tokens[this.at + ahead]?.text

  private nameAt(ahead: number): string | undefined {
    const { kind, text } = this.tokens[this.at + ahead] ?? {}
    return text !== undefined && (kind === 'name' || kind === 'word') ? folded(text) : undefined
  }
}

/** One of several statements in a text. */
export interface SqlStatement {
  /** Where the statement begins, with the comments before it, and where it ends, without its semicolon. */
  from: number
  to: number
  /** Without comments. */
  sql: string
  /** The same with spaces instead of texts and quoted names. */
  words: string
}

/** The statements of a text. A semicolon in parentheses or in a function's body ends no statement. */
export function statementsIn(text: string): SqlStatement[] {
  const statements: SqlStatement[] = []
  let [depth, body, last] = [0, false, '']
  let current: SqlStatement = { from: 0, to: 0, sql: '', words: '' }
  const end = (to: number) => {
    const sql = current.sql.trim()
    if (sql !== '') statements.push({ ...current, to, sql, words: current.words.trim() })
    current = { from: to + 1, to, sql: '', words: '' }
  }
  for (const { kind, text: token, at, closed } of tokensIn(text)) {
    const word = kind === 'other' || kind === 'word' ? token.toLowerCase() : ''
    if (word === '(') depth++
    else if (word === ')') depth--
    // The body of a function in the server's own language: `begin atomic …; end`.
    if (last === 'begin' && word === 'atomic') body = true
    else if (body && [';', 'atomic'].includes(last) && word === 'end') body = false
    if (kind !== 'space' && kind !== 'comment') last = word
    if (word === ';' && depth <= 0 && !body) {
      end(at)
      continue
    }
    const isBlank = kind === 'comment' && closed
    current.sql += isBlank ? ' ' : token
    current.words += isBlank || kind === 'text' || kind === 'name' ? ' ' : token
  }
  end(text.length)
  return statements
}

/** What stands instead of a constant. */
const leftOut = '...'

const longest = 2000

/** One of several statements. A quoted name may hold a semicolon, and a name that was cut has no second quote. */
const each = /(?:"[^"]*(?:"|$)|[^;"])+/g

/**
 * A statement that gives a value to a setting, which may be a word without quotes, and the setting may be a quoted name.
 * Of `alter` and `create` all is left out from the first value on, also if what follows is no setting.
 */
const setting = /^( ?(?:(?:alter|create) .*?)?\bset\b.*?(?:=|\bto\b)).*/i

/**
 * A statement of somebody else without its constants, on one line: `...` stands instead of each text and number, and
 * instead of what `set` gives to a setting; comments are left out. For a statement that the server has cut in the middle of a
 * quote, and for a quote that depends on a setting of the session, all that follows is left out. Pure.
 */
export function withoutConstants(statement: string): string {
  let said = ''
  for (const token of tokensIn(statement)) {
    said += keptOf(token)
    if (isUnsure(token)) break
  }
  const line = said.replace(/\s+/g, ' ').trim()
  const end = line.length <= longest ? '' : leftOut
  const cut = line.slice(0, longest).toWellFormed()
  return `${cut.replace(each, (one) => one.replace(setting, `$1 ${leftOut}`))}${end}`
}

/** With `standard_conforming_strings = off` a backslash escapes the quote after it, so the text may go on. */
const isUnsure = ({ kind, text }: Token): boolean =>
  kind === 'text' && !/^[Ee$]/.test(text) && text.includes("\\'")

/** A name that was cut may be a text for somebody who confuses the quotes. */
const keptOf = ({ kind, text, closed }: Token): string => {
  if (kind === 'comment') return ' '
  return kind === 'text' || kind === 'number' || !closed ? leftOut : text
}
