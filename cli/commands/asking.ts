import { createInterface } from 'node:readline/promises'
import {
  InvalidArgumentError,
  Option,
  type OptionValues,
  type Command as Typed,
} from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { Column } from '../../src/resources/cell.ts'
import { Problem } from '../../src/words/problem.ts'
import type { Api } from '../api/api.ts'
import { apiOf } from '../api/api-of.ts'
import { tableOf } from '../output/table.ts'
import {
  failed,
  interrupted,
  isTerminal,
  type Output,
  outputAs,
  print,
  printJson,
} from '../output/terminal.ts'

// Options and arguments that several commands have.

/** A whole number from 1 on. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Write a number from 1 on.')
  return Number(text)
}

/** A whole number from 0 on. */
export function natural(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a number from 0 on.')
  return Number(text)
}

/** The names in `one,two`. */
export const commaSeparated = (text: string): string[] => text.split(',').filter(Boolean)

export const watch = ['-w, --watch', 'show how it goes on, until its end'] as const
export const noWait = ['--no-wait', 'end as soon as it has begun'] as const

/** Adds `--watch`, which is the default, and its opposite `--no-wait`. */
export const watched = <Options extends OptionValues>(command: Typed<[], Options>) =>
  command
    .addOption(
      new Option('-w, --watch', 'show how it goes on, until its end (the default)').conflicts('wait'),
    )
    .option(...noWait)

export const environment = [
  '-e, --env <name>',
  'work on a deployed environment instead of DATABASE_URL, with your own AWS rights',
] as const

export const reading = [
  '--reading <relation>',
  'a table or view whose readers stand in the way; may be repeated',
  (name: string, before: string[] = []) => [...before, name],
] as const
export const withDefinition = [
  '--with <migration>',
  'the up file of a frozen migration with a new definition of a view; may be repeated',
  (file: string, before: string[] = []) => [...before, file],
] as const
export const wait = ['--wait <seconds>', 'how long to try to get the locks', positive, 600] as const

export const yes = ['-y, --yes', 'do not ask'] as const

/**
 * Whether somebody at the terminal answers with one of these words. Refuses (InvalidRequest) to ask without a terminal; `undone` says
 * what was not done then.
 */
export async function agrees(
  undone: string,
  asking: () => Promise<{ question: string; yes: string[] }>,
): Promise<boolean> {
  if (!isTerminal() || !process.stdin.isTTY)
    throw new Problem(
      'InvalidRequest',
      `There is no terminal to ask on, so ${undone}: write --yes to do it.`,
      {
        field: '--yes',
      },
    )
  const { question, yes } = await asking()
  if (yes.includes((await typedAfter(question)) ?? '')) return true
  print(undone)
  process.exitCode ??= failed
  return false
}

/** What somebody types; null for Ctrl-C and Ctrl-D. Ctrl-C sets the exit code. */
async function typedAfter(question: string): Promise<string | null> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await lines.question(question)).trim()
  } catch (error) {
    const { name, message } = error as Error
    if (name !== 'AbortError') throw error
    print('')
    if (message.includes('Ctrl+C')) process.exitCode = interrupted
    return null
  } finally {
    lines.close()
  }
}

/** How a command prints what it found. */
export type Format = 'json' | 'name' | 'wide'

const formats: Record<Format, string> = {
  json: 'json, for programs',
  name: 'name: only the names or ids',
  wide: 'wide: every column, however long',
}

/** Adds `--json`, and `-o` with these formats. */
export function formatted(command: Command, which: Format[] = ['json']): Command {
  return command
    .option('--json', 'print JSON, for programs')
    .addOption(
      new Option('-o, --output <format>', which.map((each) => formats[each]).join('; ')).choices(which),
    )
    .on('option:output', (format: string) => {
      if (format === 'json') command.setOptionValue('json', true)
    })
    .hook('preAction', (_, { opts }) => {
      const { json, output } = opts.call(command)
      if (json && output !== undefined && output !== 'json')
        command.error(`error: option '--json' cannot be used with option '--output ${output}'`)
    })
}

/** What every command that asks an API is told. */
export type Asking = { env?: string; url?: string; json?: true; output?: Format }

/** A command that works on an environment, and prints what it found in these formats besides lines for people. */
export function operating(program: Command, name: string, which: Format[] = ['json']): Typed<[], Asking> {
  const command = program
    .command(name)
    .option(
      '-e, --env <name>',
      'the deployed environment (default: VIEWKEEPER_ENV), with your own AWS rights',
    )
    .option('--url <address>', 'the address of the API, instead of the one of an environment')
  // Commander's own types know nothing of options.
  return (which.length === 0 ? command : formatted(command, which)) as unknown as Typed<[], Asking>
}

/** The moments that `--since` and `--until` mean, as a query has them. */
export function between({ since, until }: { since?: string | undefined; until?: string | undefined }) {
  const now = new Date()
  const moment = (option: string, text: string | undefined) => text && momentOf(option, text, now)
  return { since: moment('--since', since), until: moment('--until', until) }
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The moment that `2h`, `7d` or a time means; a time without a zone is UTC, as all that is printed. */
export function momentOf(option: string, text: string, now: Date): string {
  const ago = /^(\d{1,5})([mhd])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * units[ago[2] as keyof typeof units]).toISOString()
  const zoned = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const at = zoned ? Date.parse(zoned[1] && !zoned[4] ? `${text}Z` : text) : Number.NaN
  // Without this check, 31 February is a day of March.
  const [day, month] = [text.slice(8, 10), text.slice(5, 7)].map(Number)
  const inCalendar = new Date(Date.UTC(Number(text.slice(0, 4)), Number(month) - 1, day)).getUTCDate() === day
  if (Number.isNaN(at) || !inCalendar)
    throw new Problem(
      'InvalidRequest',
      `${option} ${text}: write 90m, 24h, 7d or a time such as 2026-11-20T09:00:00Z.`,
      { field: option },
    )
  return new Date(at).toISOString()
}

/** When, where and for whom an answer is printed. */
export interface Printing {
  api: Api
  /** The time of the answer. */
  now: Date
  output: Output
}

/** Asks the API, and prints what it answers: as JSON for programs, as lines for people. */
export async function answer<Answer>(
  { json, output: format, ...named }: Asking,
  ask: (api: Api) => Promise<Answer>,
  lines: (answer: Answer, printing: Printing) => string[] | Promise<string[]>,
): Promise<Answer> {
  const api = await apiOf(named)
  const found = await ask(api)
  if (json) printJson(found)
  else print(...(await lines(found, { api, now: new Date(), output: outputAs(format) })))
  return found
}

interface Listing<Row> {
  columns: Column<Row>[]
  /** What `-o name` prints of a row. */
  nameOf: (row: Row) => string | number
  /** What is said if there is no row. */
  none: string
  /** Lines below the table. */
  below?: (rows: Row[], printing: Printing) => string[]
}

/** The same for rows of a resource: a table, or only their names. */
export const list = <Row>(
  asking: Asking,
  ask: (api: Api) => Promise<Row[]>,
  { columns, nameOf, none, below = () => [] }: Listing<Row>,
): Promise<Row[]> =>
  answer(asking, ask, (rows, printing) => {
    if (asking.output === 'name') return rows.map((row) => String(nameOf(row)))
    if (rows.length === 0) return [none]
    return [...tableOf(columns, rows, printing.now, printing.output), ...below(rows, printing)]
  })

/** What a call has wrong, and where. */
export const wrong = (field: string, message: string): Problem =>
  new Problem('InvalidRequest', message, { field })
