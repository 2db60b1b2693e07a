import { Problem } from '../problem.ts'

/** A relation's name as SQL reads it: without a schema it is resolved through the search path. */
export interface ViewName {
  schema: string | null
  name: string
}

/** A view's name with its schema. */
export interface QualifiedName extends ViewName {
  schema: string
}

// What the server's scanner takes for an unquoted identifier, and for a quoted one.
const plainToken = /^[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_$\u0080-\u{10ffff}]*/u
const quotedToken = /^"(?:[^"\0]|"")+"/u
const maxBytes = 63

/**
 * Reads `sales`, `app.sales` or `"Odd.Name"` as SQL would: unquoted parts are folded to lower case, in ASCII only,
 * as the server does. Refuses with InvalidName, naming `field`, what is not one or two identifiers, and a part of
 * more than 63 bytes, which the server would silently cut.
 */
export function parseName(text: string, field = 'view'): ViewName {
  const parts: string[] = []
  let rest = text.trim()
  for (;;) {
    const token = quotedToken.exec(rest)?.[0] ?? plainToken.exec(rest)?.[0]
    if (token === undefined) throw invalidName(text, field)
    parts.push(token.startsWith('"') ? unquoted(token) : lowerAscii(token))
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
      `${field}: "${long}" is longer than the ${maxBytes} bytes PostgreSQL keeps of a name.`,
      {
        field,
      },
    )
  }
  const name = parts.pop() as string
  return { schema: parts[0] ?? null, name }
}

/** Writes one identifier so that SQL reads exactly it; always quoted, so keywords and case need no thought. */
export const quoteIdentifier = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`

/** The identifier that SQL writes so: without the quotes, where there are any. */
export const unquoted = (written: string): string =>
  written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written

/** Writes a name for use in a statement: always quoted. */
export const quoteName = ({ schema, name }: ViewName): string =>
  schema === null ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`

/** Writes a name for people: quoted only where a plain word would be read as another name. */
export const displayName = ({ schema, name }: ViewName): string =>
  (schema === null ? [name] : [schema, name])
    .map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : quoteIdentifier(part)))
    .join('.')

/** Writes a text as SQL reads it, whatever it holds, however the server is set, and whatever a file makes of line ends. */
export const literal = (text: string): string =>
  /[\\\r]/.test(text)
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll('\r', '\\r').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`

const lowerAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const invalidName = (text: string, field: string): Problem =>
  new Problem(
    'InvalidName',
    `${field}: ${JSON.stringify(text)} is not a view's name. Write it as in SQL: sales, app.sales or "Odd.Name".`,
    { field },
  )
