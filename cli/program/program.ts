import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { Problem } from '../../src/problem.ts'
import { exitCodeOf, wrongCall } from '../output/exit-codes.ts'
import { problemLines, type Target } from '../output/problem.ts'
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
  program.hook('preAction', (_, command) => {
    target = targetOf(command)
  })
  try {
    await program.parseAsync(args[0] === 'help' ? helpOn(program, args.slice(1)) : args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : wrongCall
    else if (error instanceof Problem) {
      process.exitCode = exitCodeOf(error)
      process.stderr.write(`${problemLines(error, target).join('\n')}\n`)
    } else throw error // a defect: its stack is needed
  }
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
  return operates || env !== undefined ? { environment: env ?? (process.env.VIEWKEEPER_ENV || null) } : null
}

async function programOf(name: string | undefined): Promise<Command> {
  const program = new Command('viewkeeper')
    .description('Keeps PostgreSQL materialized views fresh, authors them, and finds what has drifted.')
    .addHelpText('after', '\nVIEWKEEPER_ENV names the environment if --env does not. More: docs/cli.md')
    .version(packageJson.version)
    .helpCommand(false)
    .configureHelp({ subcommandTerm: termOf })
  await addCommands(program, name)
  pointToHelp(program, 'npx viewkeeper')
  return program
}

/** A command and its arguments. That there are options goes without saying. */
const termOf = (command: Command): string =>
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
