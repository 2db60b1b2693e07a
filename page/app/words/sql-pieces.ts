import { tokensIn } from '../../../src/plan/sql-tokens.ts'

export interface Piece {
  text: string
  kind: 'keyword' | 'string' | 'comment' | undefined
}

const keywords = new Set(
  (
    'select|from|where|join|left|right|full|inner|outer|cross|lateral|on|using|as|and|or|not|in|is|null|' +
    'exists|between|like|ilike|case|when|then|else|end|group|order|by|having|limit|offset|union|all|distinct|' +
    'with|recursive|materialized|view|create|unique|index|refresh|concurrently|lock|table|alter|drop|set|' +
    'local|reset|if|only|data|no|over|partition|asc|desc|nulls|first|last|filter|within|grant|to|rename|' +
    'schema|analyze|values|insert|into|update|delete|do|begin|commit|access|exclusive|mode|nowait|include|' +
    'true|false|cast|interval|window|rows|range|comment|owner|cascade|restrict'
  ).split('|'),
)

/** SQL in pieces that get a colour each. Together they are the text. */
export function sqlPieces(sql: string): Piece[] {
  const pieces: Piece[] = []
  for (const { kind: token, text } of tokensIn(sql)) {
    const isKeyword = token === 'word' && keywords.has(text.toLowerCase())
    const kind = token === 'comment' ? token : token === 'text' ? 'string' : isKeyword ? 'keyword' : undefined
    const last = pieces.at(-1)
    if (kind === undefined && last && last.kind === undefined) last.text += text
    else pieces.push({ text, kind })
  }
  return pieces
}
