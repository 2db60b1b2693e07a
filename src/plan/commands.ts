import { displayName, type QualifiedName } from './names.ts'

/**
 * A command line of `viewkeeper` for people to type, in a POSIX shell: `viewkeeper why app.sales --env production`. Words
 * that a shell would read otherwise are quoted. `environment` null: the local gateway, which needs no `--env`.
 */
export const command = (words: string[], environment: string | null): string =>
  ['viewkeeper', ...words, ...(environment === null ? [] : ['--env', environment])].map(quoted).join(' ')

/**
 * A view's name as an argument in a shell of a command that takes `public` for the schema of a name without one; `old=new` if
 * the view gets another name.
 */
export function viewArgument({ schema, name }: QualifiedName, newName?: string): string {
  const shown = (each: string) => displayName({ schema: schema === 'public' ? null : schema, name: each })
  return quoted(newName === undefined ? shown(name) : `${shown(name)}=${shown(newName)}`)
}

/** Characters that no shell changes, wherever they stand in a word. */
const plain = /^[A-Za-z0-9_.,:/@%+=-]+$/

/**
 * A word as a POSIX shell reads it, on one line: quoted only if it must be. A line break inside a quoted name is printed by
 * the shell itself, because a line of a mail or of a terminal cannot hold it.
 */
export const quoted = (word: string): string =>
  plain.test(word)
    ? word
    : control.test(word)
      ? `"$(printf '${word.replaceAll('%', '%%').replace(/[\\'\p{Cc}]/gu, octal)}')"`
      : `'${word.replaceAll("'", "'\\''")}'`

const control = /\p{Cc}/u

/** The bytes of a character, as `printf` reads them. */
const octal = (character: string): string =>
  [...new TextEncoder().encode(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
