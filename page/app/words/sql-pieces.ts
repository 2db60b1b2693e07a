export interface Piece {
  text: string
  kind: 'keyword' | 'string' | 'comment' | undefined
}

const keywords =
  'select|from|where|join|left|right|full|inner|outer|cross|lateral|on|using|as|and|or|not|in|is|null|' +
  'exists|between|like|ilike|case|when|then|else|end|group|order|by|having|limit|offset|union|all|distinct|' +
  'with|recursive|materialized|view|create|unique|index|refresh|concurrently|lock|table|alter|drop|set|' +
  'local|reset|if|only|data|no|over|partition|asc|desc|nulls|first|last|filter|within|grant|to|rename|' +
  'schema|analyze|values|insert|into|update|delete|do|begin|commit|access|exclusive|mode|nowait|include|' +
  'true|false|cast|interval|window|rows|range|comment|owner|cascade|restrict'

const pattern = new RegExp(`(--[^\\n]*)|('(?:[^']|'')*')|"(?:[^"]|"")*"|\\b(?:(${keywords})|\\w+)\\b`, 'gi')

/** SQL in pieces that get a colour each. Together they are the text. */
export function sqlPieces(text: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const match of text.matchAll(pattern)) {
    const kind = match[1] ? 'comment' : match[2] ? 'string' : match[3] ? 'keyword' : undefined
    if (!kind) continue
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), kind: undefined })
    pieces.push({ text: match[0], kind })
    at = match.index + match[0].length
  }
  if (at < text.length) pieces.push({ text: text.slice(at), kind: undefined })
  return pieces
}
