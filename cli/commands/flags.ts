import type { Command } from 'commander'
import { positive } from './arguments.ts'

// Options that several commands have.

export const json = ['--json', 'print JSON, for programs'] as const
export const watch = ['--watch', 'show how it goes on, until its end'] as const
export const noWait = ['--no-wait', 'end as soon as it has begun'] as const

export const environment = [
  '--env <name>',
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

/** A command that works on an environment. */
export const operating = (program: Command, name: string): Command =>
  program
    .command(name)
    .option('--env <name>', 'the deployed environment (default: VIEWKEEPER_ENV), with your own AWS rights')
    .option('--url <address>', 'the address of the API, instead of the one of an environment')
