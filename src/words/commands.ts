import { displayName, type QualifiedName } from './names.ts'

/** The target of a command: the name of an environment, an address, or null for the command's default. */
export type CommandTarget = string | { environment: string | null; url: string } | null

/**
 * A command line for a POSIX shell: `viewkeeper why app.sales --env production`. Words with special characters are quoted. Without
 * a target, the command asks the local gateway, unless its user has chosen an environment.
 */
export function command(words: string[], target: CommandTarget): string {
  const line = ['viewkeeper', ...words].map(quoted).join(' ')
  return [line, ...flagsOf(line, target)].join(' ')
}

/** The command that freezes a view, so that the next migration makes its change log anew. */
export const newLog = (view: string): string => command(['freeze', view, '-m', 'a new log'], null)

/** Adds the target to a command that an API has suggested without knowing its own address. A target in the command stays. */
export const aimed = (suggested: string, target: CommandTarget): string =>
  named.test(suggested.replace(inQuotes, ''))
    ? suggested
    : [suggested, ...flagsOf(suggested, target)].join(' ')

/** What is said, without a full stop, and what to type next. */
export interface Said {
  text: string
  next: string | null
}

/** Both on one line, with the target in the command. */
export const lineOf = ({ text, next }: Said, target: CommandTarget): string =>
  next === null ? text : `${text}: ${aimed(next, target)}`

/** Whether a command line consists of these words, whatever its target. */
export const isCommand = (line: string, words: string[]): boolean => {
  const bare = command(words, null)
  return line === bare || (line.startsWith(bare) && line.slice(bare.length).search(named) === 0)
}

/** Matches the beginning of a target in a command line. */
const named = / --(?:env|url) /

/** Matches the words of a command line that \`quoted\` has quoted: a name may look like a flag. */
const inQuotes = /'[^']*'|\\./g

/** The commands that ask an API. All others work on DATABASE_URL; those in `onEnvironment` take an environment in AWS, too. */
const asksApi =
  /^viewkeeper (actions|batch|batches|cancel|check|create|drop|graph|ls|metrics|pause|plan|refresh|resume|retry|run|runs|show|why)( |$)/
const onEnvironment = /^viewkeeper (adopt|doctor|drift|migrate)( |$)/

/** The flags that give a command its target, quoted for a shell: `--env production`. */
function flagsOf(line: string, target: CommandTarget): string[] {
  if (target === null) return []
  const { environment, url } = typeof target === 'string' ? { environment: target, url: null } : target
  const [isAsked, isWorkedOn] = [asksApi.test(line), onEnvironment.test(line)]
  const flags = [
    ...(environment === null || !(isAsked || isWorkedOn) ? [] : ['--env', environment]),
    ...(url === null || !isAsked ? [] : ['--url', url]),
  ]
  return flags.map(quoted)
}

/**
 * A view's name as an argument, quoted for a shell; `old=new` if the view gets another name. Schema `public` is left out, so the
 * command has to be one that assumes it.
 */
export function viewArgument({ schema, name }: QualifiedName, newName?: string): string {
  const shown = (each: string) => displayName({ schema: schema === 'public' ? null : schema, name: each })
  return quoted(newName === undefined ? shown(name) : `${shown(name)}=${shown(newName)}`)
}

/** Characters that no shell changes, wherever they stand in a word. */
const plain = /^[A-Za-z0-9_.,:/@%+=-]+$/

/**
 * A word for a POSIX shell, on one line, quoted only if it must be. Control characters, such as a line break in a name, become a call
 * of `printf`, because a line of a mail or of a terminal cannot hold them.
 */
export const quoted = (word: string): string =>
  plain.test(word)
    ? word
    : control.test(word)
      ? `"$(printf '${word.replaceAll('%', '%%').replace(/[\\'\p{Cc}]/gu, octal)}')"`
      : `'${word.replaceAll("'", "'\\''")}'`

const control = /\p{Cc}/u

/** The bytes of a character in UTF-8 as octal escapes of `printf`. */
const octal = (character: string): string =>
  [...new TextEncoder().encode(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
