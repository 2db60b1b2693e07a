import { folded } from './names.ts'

/**
 * Whether a pattern fits a name, given as its schema and its name, or as its name alone: `*` stands for any number of
 * characters, `?` for exactly one. A quoted part is a name: in `"a*b"` nothing stands for anything else, and beside it a dot
 * stands between schema and name only. The time is at most proportional to the product of the two lengths.
 */
export function matchesGlob(pattern: string, name: readonly string[]): boolean {
  const wanted = tokensOf(pattern)
  const text = name.flatMap((part, at) => (at === 0 ? [...part] : [between, ...part]))
  let at = 0
  let inText = 0
  let star = -1
  let starredUntil = 0
  while (inText < text.length) {
    if (wanted[at] === many) {
      star = at++
      starredUntil = inText
    } else if (fits(wanted[at], text[inText] as Character)) {
      at++
      inText++
    } else if (star >= 0) {
      at = star + 1
      inText = ++starredUntil
    } else return false
  }
  while (wanted[at] === many) at++
  return at === wanted.length
}

/** Whether a text has a `*` or a `?` that stands for other characters. */
export const isGlob = (text: string): boolean => tokensOf(text).some((each) => each === many || each === one)

/** A glob with its schema: without one, it fits views of every schema. */
export const withSchema = (glob: string): string =>
  tokensOf(glob).some((each) => each === dot || each === between) ? glob : `*.${glob}`

const many = Symbol('*')
const one = Symbol('?')
/** What stands between a schema and a name. */
const between = Symbol('.')
/** The same, or a dot in a name: nothing is quoted. */
const dot = Symbol('. or between')

type Character = string | typeof between
type GlobToken = Character | typeof many | typeof one | typeof dot

function tokensOf(pattern: string): GlobToken[] {
  const pieces = pattern.match(/(?:U&)?"(?:[^"]|"")+"|[\s\S]/giu) ?? []
  const meanings: Record<string, GlobToken> = {
    '*': many,
    '?': one,
    '.': pieces.some(isQuoted) ? between : dot,
  }
  return pieces.flatMap((piece) => (isQuoted(piece) ? [...folded(piece)] : (meanings[piece] ?? piece)))
}

const isQuoted = (piece: string): boolean => piece.length > 2

const fits = (wanted: GlobToken | undefined, character: Character): boolean =>
  wanted === one || wanted === character || (wanted === dot && (character === between || character === '.'))
