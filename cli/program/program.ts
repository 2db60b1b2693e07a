import { relative } from 'node:path'
import { styleText } from 'node:util'
import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { LocalProblem } from '../../serve/process/options.ts'
import { Problem } from '../../src/problem.ts'
import { docsOf } from '../../src/sql/runbook.ts'
import { targetOf as typedTarget } from '../api/api-of.ts'
import { exitCodeOf, problemLines, type Target, wrongCall } from '../output/problem.ts'
import { takeLogin } from '../target/login.ts'
import { addCommands } from './commands.ts'

/** Does what a command line says, and sets the exit code. */
export async function main(args: string[]): Promise<void> {
  // The reader of a pipe may have left (`viewkeeper ls | head`). Without a listener this error would end the process.
  process.stdout.on('error', () => {})
  const program = await programOf(args[0] === 'help' ? args[1] : args[0])
  if (args.length === 0) {
    process.exitCode = wrongCall
    return program.outputHelp({ error: true })
  }
  let target: Target | null = null
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
      if (told === null) throw error // a defect: its stack is needed
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
  name === undefined || program.commands.some((command) => command.name() === name)
    ? [...(name === undefined ? [] : [name]), ...more, '--help']
    : [name]

/** Which API a command works on; null if it works on DATABASE_URL, which perhaps no API serves. */
function targetOf(command: Command): Target | null {
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
