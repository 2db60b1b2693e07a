import { type Command, Option } from 'commander'
import { positive } from './arguments.ts'

// Options that several commands have.

const json = ['--json', 'print JSON, for programs'] as const
export const watch = ['-w, --watch', 'show how it goes on, until its end'] as const
export const noWait = ['--no-wait', 'end as soon as it has begun'] as const

/** Adds `--watch`, which is the default, and its opposite `--no-wait`. */
export const watched = (command: Command): Command =>
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
    .option(...json)
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

/** A command that works on an environment. */
export const operating = (program: Command, name: string): Command =>
  program
    .command(name)
    .option(
      '-e, --env <name>',
      'the deployed environment (default: VIEWKEEPER_ENV), with your own AWS rights',
    )
    .option('--url <address>', 'the address of the API, instead of the one of an environment')
