import { type Command, Option } from 'commander'
import { commaSeparated, positive } from './arguments.ts'

const environment = [
  '--env <name>',
  'work on a deployed environment instead of DATABASE_URL, with your own AWS rights',
] as const

const reading = [
  '--reading <relation>',
  'a table or view whose readers stand in the way; may be repeated',
  (name: string, before: string[] = []) => [...before, name],
] as const
const withDefinition = [
  '--with <migration>',
  'the up file of a frozen migration with a new definition of a view; may be repeated',
  (file: string, before: string[] = []) => [...before, file],
] as const
const wait = ['--wait <seconds>', 'how long to try to get the locks', positive, 600] as const

/**
 * The commands for authors of views, and for who sets a database up. They work on files and on the database of DATABASE_URL. A
 * command's code is imported when the command is called: importing all of it takes most of the start-up time.
 */
export function addAuthoringCommands(program: Command): void {
  program.commandsGroup('Author (the views and migrations of the current folder, and DATABASE_URL):')
  program
    .command('init')
    .description('make what this folder needs for views; replaces nothing')
    .action(async () => (await import('../commands/author/init.ts')).init())

  program
    .command('dev')
    .description('serve the views of this folder here: PostgreSQL, API and page')
    .option('--database-url', 'only print the address of the PostgreSQL that dev runs')
    .action(async (options) => (await import('../commands/author/dev.ts')).dev(options))

  program
    .command('new')
    .argument('<view>')
    .description('write the files of a new view, to be filled in')
    .action(async (view) => (await import('../commands/author/new.ts')).newView({ view }))

  program
    .command('freeze')
    .argument('[view...]', 'only these views')
    .description('write a migration for each new or changed view')
    .requiredOption('-m, --message <why>', 'why; the text is written into the migration')
    .option('--rename <old=new...>', 'rename a view')
    .option('--remove <view...>', 'remove a view')
    .option('--unverified', 'do not try the migrations on DATABASE_URL')
    .action(async (views, options) =>
      (await import('../commands/author/freeze.ts')).freeze({ views, ...options }),
    )

  program
    .command('check')
    .description('list how authored, frozen and live views differ')
    .option(...environment)
    .option('--offline', 'compare only what is authored and frozen, without a database')
    .option('--ignore-unmanaged', 'do not list views that are not authored')
    .option('--json', 'print JSON, for programs')
    .action(async (options) => (await import('../commands/author/check.ts')).check(options))

  const migrate = program.command('migrate').description('apply, undo or list frozen migrations')
  migrate
    .command('up')
    .description('apply the migrations that the database lacks')
    .option(...environment)
    .option('--no-data', 'leave new views empty')
    .option('--repair', 'make missing views again, as they were frozen')
    .action(async (options) => (await import('../commands/author/migrate.ts')).up(options))
  migrate
    .command('down')
    .argument('[count]', 'how many', positive, 1)
    .description('undo the last migration, or the last few')
    .option(...environment)
    .action(async (count, options) =>
      (await import('../commands/author/migrate.ts')).down({ count, ...options }),
    )
  migrate
    .command('status')
    .description('list which migrations are applied, pending and ahead')
    .option(...environment)
    .action(async (options) => (await import('../commands/author/migrate.ts')).status(options))
  migrate
    .command('renumber')
    .argument('[migration...]', 'all that only your branch has; without names, those that DATABASE_URL lacks')
    .description('give migrations the next numbers, after another branch froze the same numbers')
    .action(async (migrations) => (await import('../commands/author/renumber.ts')).renumber(migrations))
  migrate
    .command('squash')
    .description('replace the frozen migrations by the newest state of each view, for new databases')
    .requiredOption('-m, --message <why>', 'why; the text is written into the migrations')
    .option('--without <migration...>', 'leave out own SQL that a new database does not need')
    .action(async (options) => (await import('../commands/author/squash.ts')).squash(options))

  program
    .command('adopt')
    .argument('[view...]', 'these views')
    .description('author and freeze views that exist already')
    .option('--all', 'every view that is not authored')
    .option('-m, --message <why>', 'why; the text is written into the migration', 'adopted as it was')
    .option('--trust <role...>', 'also take the plain views of this role')
    .option(...environment)
    .action(async (views, options) =>
      (await import('../commands/author/adopt.ts')).adopt({ views, ...options }),
    )

  program
    .command('doctor')
    .argument('[view...]', 'only these views')
    .description('list which rights are missing, and the SQL for them')
    .option('--role <name>', 'the role to look at (default: the login)')
    .option(...environment)
    .option('--json', 'print JSON, for programs')
    .action(async (views, options) =>
      (await import('../commands/author/doctor.ts')).doctor({ views, ...options }),
    )

  program
    .command('create-role')
    .description('make or update the role that Viewkeeper works with')
    .option('--login <name>', 'the role to log in as', 'viewkeeper_app')
    .option('--rotate', 'give a login that exists a new password')
    .addOption(
      new Option('--iam', 'let the login in with a token of IAM, and take its password away').conflicts(
        'rotate',
      ),
    )
    .option(
      '--owners <a,b>',
      'work only on the views of these owners (default: on all views)',
      commaSeparated,
    )
    .option(
      '--connection-limit <n>',
      "how many connections the role may open (default: half of the server's, unless a limit is set)",
      positive,
    )
    .addOption(
      new Option('--own-views <way>', 'what to do with the views that belong to your own login').choices([
        'keep',
        'give',
        'maintain',
      ]),
    )
    .addHelpText(
      'after',
      `
DATABASE_URL has to name an administrator, who needs createrole but need not be a superuser. For a server on
RDS it ends in ?sslrootcert=global-bundle.pem, the file of root certificates that RDS offers for download.

The command grants what is needed to work on the views, and says each thing that it changed. If it could not
do everything, it prints the SQL that is missing and who has to run it, and exits with 1.

The password of a new login is VIEWKEEPER_PASSWORD. If that is not set, a password is generated, and the
secret for AWS Secrets Manager is written to standard output, which must not be a terminal:

  DATABASE_URL=postgres://admin:…@host:5432/database npx viewkeeper create-role |
    aws secretsmanager create-secret --name viewkeeper/production --secret-string file:///dev/stdin

A login that exists keeps its password unless you write --rotate. With --iam the login has no password, and
nothing is written to standard output: members of role rds_iam log in with a token of IAM (on RDS and Aurora).

The ways of --own-views, each with its price:

  keep       makes no role: Viewkeeper works with the secret of your own login.
             Price: the deployed functions have all rights of your login.
  give       gives the views to role viewkeeper_views, and makes your login a member of that role.
             Price: who alters or refreshes these views needs that membership, too.
  maintain   grants maintain on the views, from PostgreSQL 17 on.
             Price: no swap, so readers may wait; and no migrations of these views.`,
    )
    .action(async (options) => (await import('../commands/author/create-role.ts')).createRole(options))

  program
    .command('around')
    .argument('<file>', 'a file of SQL that changes tables')
    .description('change a table under its views, all or nothing')
    .option(...reading)
    .option(...withDefinition)
    .option(...wait)
    .option('--no-trial', 'do not try the file on empty tables first')
    .option('--dry-run', 'only show what would be done')
    .addHelpText('after', '\nMore, also for Alembic, Flyway, Prisma and Drizzle: docs/changing-tables.md')
    .action(async (file, options) =>
      (await import('../commands/author/around.ts')).around({ file, ...options }),
    )

  program
    .command('set-aside')
    .description('take views away, for another tool to change a table')
    .requiredOption(...reading)
    .option(...wait)
    .option('--no-trial', 'do not try first that each view can be filled')
    .option('--dry-run', 'only show what would be done')
    .option('--json', 'print JSON, for programs')
    .action(async (options) => (await import('../commands/author/set-aside.ts')).setAside(options))

  program
    .command('put-back')
    .description('make all views again that are set aside')
    .option(...withDefinition)
    .option('--forget <view...>', 'do not make this view again')
    .option('--dry-run', 'only show what is set aside')
    .option('--json', 'print JSON, for programs')
    .action(async (options) => (await import('../commands/author/put-back.ts')).putBack(options))
}
