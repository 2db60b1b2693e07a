import { displayName, type QualifiedName } from './names.ts'

/** What a command works on: an environment, an address, or (null) what it works on if nothing is said. */
export type CommandTarget = string | { environment: string | null; url: string } | null

/**
 * A command line of `viewkeeper` for people to type, in a POSIX shell: `viewkeeper why app.sales --env production`. Words
 * that a shell would read otherwise are quoted. Without a target: the local gateway, unless another environment is chosen.
 */
export const command = (words: string[], target: CommandTarget): string =>
  ['viewkeeper', ...words, ...flagsOf(target)].map(quoted).join(' ')

/** A command that an API suggested, which may not know how it is reached: with the target, unless the command names one. */
export const aimed = (suggested: string, target: CommandTarget): string =>
  target === null ? suggested : withFlags(suggested, aimOf(target))

/** What a command needs to work on the target, as a shell reads it: `--env production`. */
const aimOf = (target: CommandTarget): string => flagsOf(target).map(quoted).join(' ')

/** A suggested command with these flags, unless it names an environment or asks no API. */
const withFlags = (suggested: string, flags: string): string =>
  aimable.test(suggested) && !/ --(env|url) /.test(suggested) ? `${suggested} ${flags}` : suggested

/** The commands that ask an API. Others, such as `put-back`, work on DATABASE_URL. */
const aimable =
  /^viewkeeper (actions|batch|batches|cancel|check|create|drop|graph|ls|metrics|pause|plan|refresh|resume|retry|run|runs|show|why)( |$)/

const flagsOf = (target: CommandTarget): string[] => {
  if (target === null) return []
  const { environment, url } = typeof target === 'string' ? { environment: target, url: null } : target
  return [...(environment === null ? [] : ['--env', environment]), ...(url === null ? [] : ['--url', url])]
}

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
