import { Problem } from './problem.ts'

/** A relation's name as SQL reads it. Without a schema, the search path decides which schema is meant. */
export interface ViewName {
  schema: string | null
  name: string
}

/** A view's name with its schema. */
export interface QualifiedName extends ViewName {
  schema: string
}

// An unquoted and a quoted identifier, as the server's scanner reads them.
const plainToken = /^[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_$\u0080-\u{10ffff}]*/u
const quotedToken = /^(?:U&)?"(?:[^"\0]|"")+"/iu
/** The characters that SQL takes for space. `trim` also removes a no-break space and U+FEFF, which a name may have. */
const spacesAround = /^[ \t\n\r\f\v]+|[ \t\n\r\f\v]+$/g
export const maxBytes = 63

/**
 * Reads `sales`, `app.sales`, `"Odd.Name"` or `U&"with \\200B"` as SQL does: unquoted parts are folded to lower case, in
 * ASCII only. Refuses (InvalidName, naming `field`) a text that is not one or two identifiers, and a part of more
 * than 63 bytes, because the server would silently cut it.
 */
export function parseName(text: string, field = 'view'): ViewName {
  const parts: string[] = []
  let rest = text.replace(spacesAround, '')
  for (;;) {
    const token = quotedToken.exec(rest)?.[0] ?? plainToken.exec(rest)?.[0]
    if (token === undefined || !isRead(token)) throw invalidName(text, field)
    parts.push(folded(token))
    rest = rest.slice(token.length)
    if (rest === '') break
    if (!rest.startsWith('.')) throw invalidName(text, field)
    rest = rest.slice(1)
  }
  if (parts.length > 2) throw invalidName(text, field)
  const long = parts.find((part) => Buffer.byteLength(part) > maxBytes)
  if (long !== undefined) {
    throw new Problem(
      'InvalidName',
      `${field}: "${long}" is longer than ${maxBytes} bytes, and PostgreSQL would cut it. Use a shorter name.`,
      {
        field,
      },
    )
  }
  const name = parts.pop() as string
  return { schema: parts[0] ?? null, name }
}

/**
 * Writes a name for people. A part stays unquoted if it has only lower-case ASCII letters, digits, `_` and
 * `$`, and does not begin with a digit or `$`. A `hidden` character is written as an escape of SQL.
 * `parseName` reads the same name back. SQL may not, because keywords stay unquoted: `order`.
 */
export const displayName = ({ schema, name }: ViewName): string =>
  (schema === null ? [name] : [schema, name])
    .map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : printed(`"${part.replaceAll('"', '""')}"`)))
    .join('.')

/**
 * Makes a name that the server or `quoteName` has written fit for print, so that two names never print alike: `hidden` characters
 * become escapes of SQL, `U&"a\\200Bb"`. `parseName` reads the same name back.
 */
export const printed = (written: string): string =>
  hidden.test(written)
    ? written.replace(/"(?:[^"]|"")*"/g, (part) =>
        hidden.test(part) ? `U&${part.replaceAll('\\', '\\\\').replace(everyHidden, escaped)}` : part,
      )
    : written

/** Matches control characters, characters that turn the direction of writing or have no width, and any space but U+0020. */
export const hidden = /[\p{C}\p{DI}\u2028\u2029]|(?! )\p{Z}/u
export const everyHidden = new RegExp(hidden, 'gu')

const escaped = (character: string): string => {
  const code = (character.codePointAt(0) as number).toString(16).toUpperCase()
  return code.length > 4 ? `\\+${code.padStart(6, '0')}` : `\\${code.padStart(4, '0')}`
}

/** Writes one identifier for people, as `displayName` does. */
export const displayPart = (name: string): string => displayName({ schema: null, name })

/** Reads an identifier as the server writes it: takes the quotes off if there are any. */
export const unquoted = (written: string): string =>
  written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written

/** Reads an identifier as the server does: an unquoted one is folded to lower case, in ASCII only. */
export const folded = (written: string): string => {
  if (written.startsWith('"')) return unquoted(written)
  if (withEscapes.test(written))
    return unquoted(written.slice(2)).replace(anEscape, (_, four, six) =>
      (four ?? six) ? String.fromCodePoint(Number.parseInt(four ?? six, 16)) : '\\',
    )
  return written.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

const withEscapes = /^U&"/i
const anEscape = /\\(?:([0-9A-F]{4})|\+([0-9A-F]{6})|\\)/gi

/** Whether each `\` of an identifier `U&"..."` begins an escape of a character that a name can have. Other identifiers pass. */
const isRead = (token: string): boolean =>
  !withEscapes.test(token) ||
  (!token.replace(anEscape, '').includes('\\') &&
    [...token.matchAll(anEscape)].every(([, four, six]) => {
      const code = Number.parseInt(four ?? six ?? '5C', 16)
      return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
    }))

const invalidName = (text: string, field: string): Problem =>
  new Problem(
    'InvalidName',
    `${field}: ${JSON.stringify(text)} ${text.split('"').length % 2 === 0 ? 'has a quote that is not closed' : "is not a view's name"}. ` +
      'Write it as in SQL: sales, app.sales or "Odd.Name".',
    { field },
  )

/** The known word that is nearest to an unknown one; undefined if none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, distance: distance(word.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= Math.max(1, word.length / 3) ? best.each : undefined
}

/** How many letters to add, remove, change, or swap with the next one; 0 if one word is the beginning of the other. */
function distance(a: string, b: string): number {
  if (Math.min(a.length, b.length) > 2 && (a.startsWith(b) || b.startsWith(a))) return 0
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1]
    for (const [to, other] of [...b].entries()) {
      const isSwap = to > 0 && letter === b[to - 1] && other === a[at - 1]
      next.push(
        Math.min(
          row[to + 1]! + 1,
          next[to]! + 1,
          row[to]! + (letter === other ? 0 : 1),
          isSwap ? before[to - 1]! + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = row
    row = next
  }
  return row.at(-1)!
}

/**
 * The question to append to the refusal of an unknown view: ` Did you mean app.sales?`. It names at most three of `known`: those
 * with the same name in other schemas, else those with the most similar name. Empty if no name is similar.
 */
export function didYouMean({ schema, name }: ViewName, known: QualifiedName[]): string {
  const named = (wanted: string | undefined) => known.filter((each) => each.name === wanted)
  const sameName = named(name)
  const names = known.map((each) => each.name)
  const similar = sameName.length > 0 ? sameName : named(nearest(name, names))
  // Of several, a view of the same schema is the likeliest.
  const meant = similar
    .toSorted((a, b) => Number(b.schema === schema) - Number(a.schema === schema))
    .slice(0, 3)
    .map(displayName)
  return meant.length === 0 ? '' : ` Did you mean ${meant.join(' or ')}?`
}
