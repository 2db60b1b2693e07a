import { folded, type ViewName } from '../words/names.ts'
import { type Token, tokensIn } from './sql-tokens.ts'

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
