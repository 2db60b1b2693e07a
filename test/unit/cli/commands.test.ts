import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addCommands } from '../../../cli/program.ts'

const programWith = async (name: string | undefined): Promise<Command> => {
  const program = new Command('viewkeeper')
  await addCommands(program, name)
  return program
}
const all = (await programWith(undefined)).commands

test.each(all.map((command) => command.name()))('%s alone is as among all commands', async (name) => {
  const help = (commands: readonly Command[]) =>
    commands.find((command) => command.name() === name)?.helpInformation()
  const { commands } = await programWith(name)
  expect(commands.length).toBeLessThan(3)
  expect(help(commands)).toBe(help(all))
})

test('a name that no command has adds all, so that the nearest can be suggested', async () => {
  for (const name of ['refrsh', 'constructor'])
    expect((await programWith(name)).commands.length).toBe(all.length)
})
