import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { styleText } from 'node:util'
import { Command, CommanderError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { endOn, LocalProblem } from '../serve/process.ts'
import { fromUrl } from '../src/keeper/database-url.ts'
import { docsOf, Problem } from '../src/words/problem.ts'
import { targetOf as typedTarget } from './api/api-of.ts'
import { exitCodeOf, problemLines, type TypedTarget, wrongCall } from './output/terminal.ts'

/** Does what a command line says, and sets the exit code. */
export async function main(args: string[]): Promise<void> {
  // The reader of a pipe may have left (`viewkeeper ls | head`). Without a listener this error would end the process.
  process.stdout.on('error', () => {})
  const program = await programOf(args[0] === 'help' ? args[1] : args[0])
  if (args.length === 0) {
    process.exitCode = wrongCall
    return program.outputHelp({ error: true })
  }
  let target: TypedTarget | null = null
  program.hook('preAction', async (_, command) => {
    target = targetOf(command)
    await takeLogin(command.optsWithGlobals())
  })
  try {
    await program.parseAsync(args[0] === 'help' ? helpOn(program, args.slice(1)) : args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : wrongCall
    else if (error instanceof Problem) {
      process.exitCode = exitCodeOf(error)
      process.stderr.write(`${problemLines(error, target).join('\n')}\n`)
    } else {
      const told = toldBySystem(error)
      if (told === null) endOn(error)
      process.exitCode = wrongCall
      process.stderr.write(`${styleText('red', 'viewkeeper:', { stream: process.stderr })} ${told}\n`)
    }
  }
}

/** What this machine keeps a command from, in words; null if the error is a defect of ours. */
function toldBySystem(error: unknown): string | null {
  if (error instanceof LocalProblem) return error.message
  const { code = '', path, syscall } = error as NodeJS.ErrnoException
  const advice = adviceOf[code]
  if (advice === undefined || syscall === undefined) return null
  return `${path === undefined ? process.cwd() : relative(process.cwd(), path) || path}: ${advice} (${code}).`
}

const adviceOf: Record<string, string> = {
  EACCES:
    'this user may not read or write it. Change its rights with chmod or chown, or work in a folder of your own',
  EPERM:
    'this user may not change it. Change its rights with chmod or chown, or work in a folder of your own',
  EROFS: 'its file system is read-only. Work in a folder that can be written',
  ENOSPC: 'the disk is full. Make room, and try again',
  EISDIR: 'a folder is there, and a file is wanted. Rename one of them',
  ENOTDIR: 'a file is there, and a folder is wanted. Rename one of them',
  EEXIST: 'something else has this name. Rename one of them',
  ENOENT: 'it is not there. Look at the spelling, and at the folder in which you type',
  EMFILE: 'too many files are open. Raise the limit with ulimit -n',
}

/** `help refresh` is `refresh --help`. A command that does not exist is refused. */
const helpOn = (program: Command, [name, ...more]: string[]): string[] =>
  name === undefined || program.commands.some((command) => [command.name(), command.alias()].includes(name))
    ? [...(name === undefined ? [] : [name]), ...more, '--help']
    : [name]

/** Which API a command works on; null if it works on DATABASE_URL, which perhaps no API serves. */
function targetOf(command: Command): TypedTarget | null {
  const { env } = command.opts()
  const operates = command.options.some(({ long }) => long === '--url')
  return operates ? { typed: typedTarget(command.opts()) } : env !== undefined ? { typed: env } : null
}

async function programOf(name: string | undefined): Promise<Command> {
  const program = new Command('viewkeeper')
    .description('Keeps PostgreSQL materialized views fresh, authors them, and finds what has drifted.')
    .addHelpText(
      'after',
      `\nVIEWKEEPER_ENV names the environment if --env does not. More: ${docsOf('cli.md')}`,
    )
    .version(packageJson.version)
    .helpCommand(false)
    .configureHelp({ subcommandTerm: termOf })
  await addCommands(program, name)
  pointToHelp(program, 'npx viewkeeper')
  return program
}

/** A command and its arguments. That there are options goes without saying. */
export const termOf = (command: Command): string =>
  [
    command.name(),
    ...command.registeredArguments.map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`
      return argument.required ? `<${name}>` : `[${name}]`
    }),
  ].join(' ')

/** After a mistake, this command and each subcommand say how to get help, and leave the exit code to their caller. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(see ${words} --help)`).exitOverride()
  for (const subcommand of command.commands) pointToHelp(subcommand, `${words} ${subcommand.name()}`)
}

/** Of each command, what declares it, with its arguments and options, and perhaps the one beside it. */
type Group = Record<string, () => Promise<(program: Command) => void>>

const operating: Group = {
  ls: async () => (await import('./commands/operate/views.ts')).addLs,
  show: async () => (await import('./commands/operate/views.ts')).addShow,
  why: async () => (await import('./commands/operate/views.ts')).addWhy,
  refresh: async () => (await import('./commands/operate/refresh.ts')).addTo,
  check: async () => (await import('./commands/operate/check.ts')).addTo,
  retry: async () => (await import('./commands/operate/retry.ts')).addTo,
  create: async () => (await import('./commands/operate/create.ts')).addTo,
  drop: async () => (await import('./commands/operate/create.ts')).addTo,
  runs: async () => (await import('./commands/operate/runs.ts')).addTo,
  run: async () => (await import('./commands/operate/runs.ts')).addTo,
  batches: async () => (await import('./commands/operate/batches.ts')).addTo,
  batch: async () => (await import('./commands/operate/batches.ts')).addTo,
  actions: async () => (await import('./commands/operate/actions.ts')).addTo,
  cancel: async () => (await import('./commands/operate/cancel.ts')).addTo,
  pause: async () => (await import('./commands/operate/pause.ts')).addTo,
  resume: async () => (await import('./commands/operate/pause.ts')).addTo,
  quiet: async () => (await import('./commands/operate/pause.ts')).addQuiet,
  metrics: async () => (await import('./commands/operate/metrics.ts')).addTo,
  plan: async () => (await import('./commands/operate/plan.ts')).addTo,
  graph: async () => (await import('./commands/operate/graph.ts')).addTo,
  env: async () => (await import('./commands/operate/open.ts')).addEnv,
  open: async () => (await import('./commands/operate/open.ts')).addOpen,
  notify: async () => (await import('./commands/operate/serve.ts')).addTo,
  serve: async () => (await import('./commands/operate/serve.ts')).addTo,
}

const authoring: Group = {
  init: async () => (await import('./commands/author/init.ts')).addTo,
  dev: async () => (await import('./commands/author/dev.ts')).addTo,
  new: async () => (await import('./commands/author/new.ts')).addTo,
  freeze: async () => (await import('./commands/author/freeze.ts')).addTo,
  drift: async () => (await import('./commands/author/migrate.ts')).addDrift,
  migrate: async () => (await import('./commands/author/migrate.ts')).addMigrate,
  adopt: async () => (await import('./commands/author/adopt.ts')).addTo,
  diff: async () => (await import('./commands/author/diff.ts')).addDiff,
  'bad-row': async () => (await import('./commands/author/diff.ts')).addBadRow,
  doctor: async () => (await import('./commands/author/doctor.ts')).addTo,
  'create-role': async () => (await import('./commands/author/create-role.ts')).addTo,
  uninstall: async () => (await import('./commands/author/uninstall.ts')).addTo,
  token: async () => (await import('./commands/author/token.ts')).addTo,
  alter: async () => (await import('./commands/author/set-aside.ts')).addAlter,
  'set-aside': async () => (await import('./commands/author/set-aside.ts')).addSetAside,
  restore: async () => (await import('./commands/author/restore.ts')).addTo,
  'put-back': async () => (await import('./commands/author/set-aside.ts')).addSetAside,
}

/** The groups of commands by their titles. */
const groups: Record<string, Group> = {
  'Operate (the local gateway, a deployed environment with --env, or DATABASE_URL alone):': operating,
  'Author (the views and migrations of the current folder, and DATABASE_URL):': authoring,
}

/** Commands of the authors that connect to no database. */
const withoutDatabase = ['init', 'dev', 'new']

/**
 * Adds the command of this name to the program. Adds all commands if there is none of the name, for their help. Importing all
 * of them takes most of the start-up time.
 */
export async function addCommands(program: Command, name: string | undefined): Promise<void> {
  const isOne = Object.values(groups).some((group) => Object.hasOwn(group, name ?? ''))
  for (const [title, group] of Object.entries(groups)) {
    program.commandsGroup(title)
    const loads = Object.entries(group).flatMap(([each, load]) => (!isOne || each === name ? [load()] : []))
    const before = program.commands.length
    for (const add of new Set(await Promise.all(loads))) add(program)
    if (group === authoring)
      for (const command of program.commands.slice(before))
        if (!withoutDatabase.includes(command.name())) addLogin(command)
  }
}

/** Options that keep a password out of DATABASE_URL. */
const addLogin = (command: Command): Command =>
  command
    .option(
      '--password-from <file>',
      'read the password of DATABASE_URL from a file; - is the standard input',
    )
    .addOption(
      new Option(
        '--secret <arn>',
        'log in with a secret of AWS Secrets Manager, such as the one that RDS makes',
      ).conflicts('passwordFrom'),
    )

/** What the options say becomes the variables of libpq, which add to DATABASE_URL what it leaves out. */
export async function takeLogin({ secret, passwordFrom }: { secret?: string; passwordFrom?: string }) {
  const { env } = process
  if (passwordFrom !== undefined) {
    env.PGPASSWORD = readFileSync(passwordFrom === '-' ? 0 : passwordFrom, 'utf8').replace(/\r?\n$/, '')
  } else if (secret !== undefined) {
    const { secretsOf } = await import('../src/api/lambda/secrets-client.ts')
    const { parseSecret, unreadable } = await import('../src/api/lambda/login.ts')
    const text = await secretsOf(secret.split(':')[3])
      .get(secret)
      .catch((cause: unknown) => {
        throw unreadable(cause)
      })
    const { username, password, host, port, dbname } = parseSecret(String(text))
    Object.assign(env, { PGUSER: username, PGPASSWORD: password })
    // Where the secret says nothing, the variables of the shell count.
    for (const [name, value] of Object.entries({ PGHOST: host, PGPORT: port, PGDATABASE: dbname }))
      if (value !== undefined) env[name] ??= String(value)
    env.DATABASE_URL ||= 'postgres://'
  } else return
  const { DATABASE_URL: url, PGUSER: user } = env
  if (!url) return
  const taken = await fromUrl(url)({ fresh: false })
  if (taken.password === env.PGPASSWORD && (secret === undefined || taken.user === user)) return
  throw new Problem(
    'InvalidRequest',
    `DATABASE_URL has ${secret === undefined ? 'a password' : 'a user or a password'} already, and it would count. Leave it out: postgres://host:5432/database.`,
    { field: 'DATABASE_URL' },
  )
}
