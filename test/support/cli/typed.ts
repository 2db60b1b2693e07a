import { Command } from 'commander'
import { addCommands } from '../../../cli/program.ts'

/** Does what a command line says; a problem is thrown. */
export async function typed(...[name, ...words]: [string, ...string[]]): Promise<void> {
  const program = new Command('viewkeeper').exitOverride()
  await addCommands(program, name)
  await program.parseAsync([name, ...words], { from: 'user' })
}
