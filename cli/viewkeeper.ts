#!/usr/bin/env node
import { Command, InvalidArgumentError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { Problem } from '../src/problem.ts'
import { adopt } from './commands/adopt.ts'
import { check } from './commands/check.ts'
import { freeze } from './commands/freeze.ts'
import { down, status, up } from './commands/migrate.ts'
import { testAlarm } from './commands/test-alarm.ts'
import { report } from './output/report.ts'

/** A whole number from 1 on. */
function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Write a number from 1 on.')
  return Number(text)
}

const environment = [
  '--env <name>',
  'work on a deployed environment instead of DATABASE_URL, with your own AWS rights',
] as const

const program = new Command('viewkeeper')
  .description('Authors materialized views, freezes them into migrations, and finds what has drifted.')
  .addHelpText(
    'after',
    `
Works on views/ and migrations/ of the current folder, and on the database in DATABASE_URL:
postgres://user:password@host:5432/database. The workflow is in docs/views.md.`,
  )
  .version(packageJson.version)

program
  .command('freeze')
  .argument('[view...]', 'only these')
  .description('write a migration for each view that is new or has changed')
  .requiredOption('-m, --message <why>', 'why; stands in the migration')
  .option('--rename <old=new...>', 'a view got another name')
  .option('--remove <view...>', 'a view is to go')
  .option('--unverified', 'do not try the migrations on DATABASE_URL')
  .action((views, options) => freeze({ views, ...options }))

program
  .command('check')
  .description(
    'name every difference between what is authored, frozen and live; exit code 1 where there is one',
  )
  .option(...environment)
  .option('--offline', 'leave the database out: only what is authored and frozen')
  .option('--ignore-unmanaged', 'views that nobody has authored are no difference')
  .option('--json', 'for machines')
  .action(check)

const migrate = program.command('migrate').description('apply, undo or list frozen migrations')
migrate
  .command('up')
  .description('apply what the database lacks')
  .option(...environment)
  .option('--no-data', 'leave new views empty')
  .action(up)
migrate
  .command('down')
  .argument('[count]', 'how many', positive, 1)
  .description('undo the last migration, or the last few')
  .option(...environment)
  .action((count, options) => down({ count, ...options }))
migrate
  .command('status')
  .description('list what is applied, pending and ahead')
  .option(...environment)
  .action(status)

program
  .command('adopt')
  .argument('[view...]')
  .description('author views that are there already, and freeze them without touching the database')
  .option('--all', 'every view that nobody has authored')
  .option('-m, --message <why>', 'why; stands in the migration', 'adopted as it was')
  .option(...environment)
  .action((views, options) => adopt({ views, ...options }))

program
  .command('test-alarm')
  .argument('[alarm]', 'which, as docs/runbook.md names it', 'failed-runs')
  .description('set an alarm off for a moment, to see its mail arrive')
  .requiredOption('--env <name>', 'the deployed environment')
  .action((alarm, { env }) => testAlarm({ env, alarm }))

pointToHelp(program, 'npx viewkeeper')

/** Has a command, and each below it, say after a mistake where its own help is. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(${words} --help lists what there is)`)
  for (const below of command.commands) pointToHelp(below, `${words} ${below.name()}`)
}

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Problem)) throw error
  report.error(error.message)
  process.exitCode = 1
}
