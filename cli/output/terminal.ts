import { stripVTControlCharacters, styleText } from 'node:util'
import { type SignMark, type SignTone, signOfRun } from '../../src/resources/cell.ts'
import { type Paint, paint, type Style } from '../../src/terminal/report.ts'
import { aimed, type CommandTarget, command } from '../../src/words/commands.ts'
import { forPeople } from '../../src/words/for-people.ts'
import { printed } from '../../src/words/names.ts'
import { Problem, type ProblemCode } from '../../src/words/problem.ts'
import type { BatchViewStatus } from '../../src/words/run.ts'

/** Where lines are written to. */
export interface Output {
  /** The columns of the terminal; without a terminal there is no limit. */
  width: number
  paint: Paint
  /** Moments and names are written in full. */
  wide?: boolean
}

/** The standard output as it is now: the window may change its size. */
export const output = (): Output => ({
  width: isTerminal() ? process.stdout.columns : Number.POSITIVE_INFINITY,
  paint,
})

/** The same without an end of the line and in full, for `-o wide`. */
export const outputAs = (format: string | undefined): Output =>
  format === 'wide' ? { ...output(), width: Number.POSITIVE_INFINITY, wide: true } : output()

export const isTerminal = (): boolean => process.stdout.isTTY === true && process.stdout.columns > 0

/** Whether lines may be written over: on a terminal that can do so, and not in the log of a build. */
export const isLive = (): boolean => isTerminal() && !process.env.CI && process.env.TERM !== 'dumb'

/** Prints lines on standard output, as they are. */
export function print(...lines: string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** Prints a value as JSON, for programs. */
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

const none = /^[\p{Mn}\p{Me}\p{Cf}]$/u
/** East Asian wide characters and pictures, which take two columns of a terminal. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]$/u

const widthOfCharacter = (character: string): number =>
  none.test(character) ? 0 : wide.test(character) ? 2 : 1

/** How many columns of a terminal a text takes; colours take none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of stripVTControlCharacters(text)) width += widthOfCharacter(character)
  return width
}

/**
 * A text without what would move a terminal's cursor or change its colours: names and messages come from elsewhere. A quoted name
 * has escapes of SQL instead, so that no two names are shown alike.
 */
export const harmless = (text: string): string => forPeople(stripVTControlCharacters(printed(text)))

/** A text of at most that many columns: what does not fit is cut, and `…` stands for it. Only for text without colours. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const character of text) {
    used += widthOfCharacter(character)
    if (used > width - 1) break
    kept += character
  }
  return `${kept.trimEnd()}…`
}

/** Fills a text up to that many columns, at its end or (`right`) at its beginning. */
export function fill(text: string, width: number, right = false): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return right ? space + text : text + space
}

/** Breaks a text into lines of at most that many columns, at spaces. A longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/ +/)) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A text of several lines, harmless, each broken at spaces. Indented lines are to be typed: they stay as they are. */
export const wrapLines = (text: string, width: number): string[] =>
  text
    .split('\n')
    .map(harmless)
    .flatMap((line) => (line.startsWith('  ') ? line : wrap(line, width)))

/** A view's name for people to read: schema `public` is left out. */
export const short = (view: string): string => harmless(view.replace(/^public\./, ''))

/**
 * A view's name in a command for people to type: with its schema, because the API looks for a name without one along the
 * search path of Viewkeeper's role.
 */
export const typed = (view: string): string => harmless(view)

/** A message without the view at its beginning, for a line that names the view already. */
export const withoutView = (message: string, view: string): string =>
  message.startsWith(`${view}: `) ? message.slice(view.length + 2) : message

const styles: Record<SignTone, Style> = {
  bad: 'red',
  warn: 'yellow',
  held: 'yellow',
  busy: 'cyan',
  built: 'cyan',
  idle: 'dim',
  good: 'green',
}

/** The colour of a tone. */
export function styleOf(tone: SignTone): Style
export function styleOf(tone: SignTone | undefined): Style | undefined
export function styleOf(tone: SignTone | undefined): Style | undefined {
  return tone && styles[tone]
}

const characters: Partial<Record<SignMark, string>> = {
  check: '✓',
  cross: '✗',
  play: '●',
  dots: '·',
  box: '◐',
  dash: '–',
}

/** A text in the colour of a status of a run or a batch. */
export const colored = (status: BatchViewStatus, text: string, paint: Paint): string =>
  paint(styleOf(signOfRun(status).tone), text)

/** The sign before a run or view that has this status, in its colour. */
export const signed = (status: BatchViewStatus, paint: Paint): string =>
  colored(status, characters[signOfRun(status).mark] ?? ' ', paint)

/** A line that nobody may overlook. */
export const loud = (line: string, { paint }: Pick<Output, 'paint'>): string =>
  `${paint('yellow', '!')} ${harmless(line)}`

/** What was asked for was done, but failed: a run failed, views differ. */
export const failed = 1
/** The call is wrong: an argument, an option, a file, or a name that nothing has. Nothing was begun. */
export const wrongCall = 2
/** The API or the database cannot be had, or lets nobody in. */
export const unavailable = 3
/** Ctrl-C ended the command. */
export const interrupted = 130

const wrongCalls: ProblemCode[] = [
  'InvalidRequest',
  'InvalidName',
  'UnknownRoute',
  'UnknownView',
  'UnknownRun',
  'UnknownBatch',
  'DefinitionRequired',
  'IdempotencyKeyReused',
]

const unavailables: ProblemCode[] = [
  'FunctionUnavailable',
  'DatabaseUnavailable',
  'DatabaseReadOnly',
  'CredentialsRefused',
  'SuperuserRefused',
  'NotDirect',
  'NotMigrated',
  'TooManyConnections',
  'Unauthenticated',
  'NotAllowed',
  'TooManyRefusals',
]

/** The exit code for something that was thrown. A problem with a record of its own is the failure of a run or a batch. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof Problem)) return failed
  const { code, details } = thrown
  if (details.runId !== undefined || details.batchId !== undefined) return failed
  if (wrongCalls.includes(code)) return wrongCall
  return unavailables.includes(code) ? unavailable : failed
}

/** The API that can tell more, as a command names it. */
export interface TypedTarget {
  typed: CommandTarget
}

/** What went wrong and, if there is an API that knows more, what to type next: as lines for standard error. */
export function problemLines(error: Problem, target: TypedTarget | null): string[] {
  const next = target === null ? null : nextOf(error, target)
  const message = `${styleText('red', 'viewkeeper:', { stream: process.stderr })} ${printed(error.message).split('\n').map(harmless).join('\n')}`
  const width = process.stderr.columns ?? Number.POSITIVE_INFINITY
  return [
    // Lines that fit stay as they are: some have columns. Indented ones that end as SQL does are to be typed.
    ...message
      .split('\n')
      .flatMap((line) => (displayWidth(line) > width && !/^ {2}.*;$/.test(line) ? wrap(line, width) : line)),
    ...(next === null ? [] : [`  next: ${harmless(next)}`]),
  ]
}

/** What to type about a problem that the message alone does not say. */
function nextOf({ code, details }: Problem, { typed }: TypedTarget): string | null {
  const { next, runningRunId, openBatchId, runId, batchId } = details
  const type = (...words: string[]) => command(words, typed)
  if (next !== undefined) return aimed(next, typed)
  if (runningRunId !== undefined) return type('runs', String(runningRunId), '--watch')
  if (openBatchId !== undefined) return type('batches', openBatchId, '--watch')
  if (runId !== undefined) return type('runs', String(runId))
  if (batchId !== undefined) return type('batches', batchId)
  if (code === 'UnknownView') return type('ls')
  if (code === 'UnknownRun') return type('runs')
  if (code === 'UnknownBatch') return type('batches')
  return null
}
