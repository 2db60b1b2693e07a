import { displayName, maxBytes, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'

/** Why nobody can author an identifier; null if somebody can. Files change line ends, and the server cuts long names. */
export const identifierFault = (identifier: string): string | null =>
  identifier !== '' && !/[\p{Cc}\p{Cs}]/u.test(identifier) && Buffer.byteLength(identifier) <= maxBytes
    ? null
    : `must be a name of at most ${maxBytes} bytes, without line breaks and other control characters`

/** Why nobody may have a view in a schema; null if somebody may. */
export function schemaFault(schema: string): string | null {
  if (schema === 'viewkeeper') return 'is the schema of Viewkeeper itself: name another one'
  return /^pg_|^information_schema$/.test(schema) ? 'belongs to the server: name another schema' : null
}

/** Why nobody may give a name to a view or an index: Viewkeeper gives it to what it makes for a moment. Null if somebody may. */
export const nameFault = (name: string): string | null =>
  /^viewkeeper_(\d|sealed_)/.test(name)
    ? 'begins as the names that Viewkeeper gives to views and indexes while it builds them: choose another name'
    : null

/** Refuses (InvalidName) to make a view whose name is reserved. */
export function insistOnFreeName({ schema, name }: QualifiedName): void {
  const fault = schemaFault(schema) ?? nameFault(name)
  if (fault === null) return
  const part = schemaFault(schema) === null ? `name "${name}"` : `schema "${schema}"`
  throw new Problem('InvalidName', `${displayName({ schema, name })} cannot be made: its ${part} ${fault}.`, {
    field: 'view',
  })
}

/**
 * Writes a view's name, or its schema's, as a part of the name of a file. Every file system and shell takes it, and no other
 * name is written so, not even if the file system takes capitals for small letters: a capital is `+` and the
 * small letter, and each byte of what is no letter of ASCII, digit or `_` is `@` with two digits: `Odd name` is `+odd@20name`.
 * So is the first letter of a name that Windows keeps for devices. The whole has at most 189 characters.
 */
export const fileNameOf = (name: string): string =>
  name.replace(isDevice.test(name) ? /^./ : /[^a-z0-9_]/gu, (letter) =>
    /[A-Z]/.test(letter)
      ? `+${letter.toLowerCase()}`
      : [...new TextEncoder().encode(letter)]
          .map((byte) => `@${byte.toString(16).padStart(2, '0')}`)
          .join(''),
  )

const isDevice = /^(con|prn|aux|nul|com\d|lpt\d)$/
