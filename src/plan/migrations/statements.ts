/** A comment (which may hold comments), a quoted text or a quoted name: a semicolon in one of these ends no statement. */
const opaque =
  /--[^\n]*|\/\*(?:\/\*[\s\S]*?\*\/|(?!\*\/)[\s\S])*\*\/|\b[Ee]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$[A-Za-z_0-9]*\$)[\s\S]*?\1/g
const parsedBody = /\bbegin\s+atomic\b[\s\S]*?;\s*end\b/gi

/**
 * The statements of a text without its comments; a semicolon in quotes, parentheses or a function body ends
 * no statement.
 */
export function statementsIn(text: string): string[] {
  const bare = text.replace(opaque, (found) => (/^(--|\/\*)/.test(found) ? ' ' : found))
  return statementPlaces(blanked(bare))
    .map(([from, to]) => bare.slice(from, to).trim())
    .filter((statement) => statement !== '')
}

/** Where each statement of a blanked text begins and ends, without its semicolon. */
export function statementPlaces(blank: string): [from: number, to: number][] {
  const places: [number, number][] = []
  let [from, depth] = [0, 0]
  for (const { 0: found, index } of blank.matchAll(/[();]|$/g)) {
    if (found === '(') depth++
    else if (found === ')') depth--
    else if (found === '' || depth <= 0) {
      places.push([from, index])
      from = index + 1
    }
  }
  return places
}

/** The text with spaces in place of all quotes, comments and function bodies; its length and lines stay. */
export const blanked = (text: string): string =>
  [opaque, parsedBody].reduce(
    (left, pattern) => left.replace(pattern, (found) => found.replace(/[^\n]/g, ' ')),
    text,
  )
