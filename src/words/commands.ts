import { displayName, type QualifiedName } from './names.ts'

/** What a command works on: an environment, an address, or (null) what it works on if nothing is said. */
export type CommandTarget = string | { environment: string | null; url: string } | null

/**
 * A command line of `viewkeeper` for people to type, in a POSIX shell: `viewkeeper why app.sales --env production`. Words
 * that a shell would read otherwise are quoted. Without a target: the local gateway, unless another environment is chosen.
 */
export function command(words: string[], target: CommandTarget): string {
  const line = ['viewkeeper', ...words].map(quoted).join(' ')
  return [line, ...flagsOf(line, target)].join(' ')
}

/** Freezes a view so that the log of its changes is made anew. */
export const newLog = (view: string): string => command(['freeze', view, '-m', 'a new log'], null)

/** A command that an API suggested, which may not know how it is reached: with the target, unless the command names one. */
export const aimed = (suggested: string, target: CommandTarget): string =>
  named.test(suggested) ? suggested : [suggested, ...flagsOf(suggested, target)].join(' ')

/** The same of a line that ends with such a command, after a colon. */
export const aimedLine = (line: string, target: CommandTarget): string =>
  line.replace(/(?<=: )viewkeeper [a-z].*$/, (suggested) => aimed(suggested, target))

/** Whether a command is the one of these words, whatever it works on: it would lead to where one stands. */
export const isCommand = (line: string, words: string[]): boolean =>
  line.split(named)[0] === command(words, null)

/** Where the target of a command begins. */
const named = / --(?:env|url) /

/** The commands that ask an API. Others work on DATABASE_URL: those in `onEnvironment` also on an environment in AWS. */
const asksApi =
  /^viewkeeper (actions|batch|batches|cancel|check|create|drop|graph|ls|metrics|pause|plan|refresh|resume|retry|run|runs|show|why)( |$)/
const onEnvironment = /^viewkeeper (adopt|doctor|drift|migrate)( |$)/

/** What a command needs to work on the target, as a shell reads it: `--env production`. */
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
