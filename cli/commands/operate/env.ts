import type { Command } from 'commander'
import { nearest } from '../../../src/plan/nearest.ts'
import { Problem } from '../../../src/problem.ts'
import { paint } from '../../../src/terminal/paint.ts'
import { local } from '../../api/api-of.ts'
import { print, printJson } from '../../output/terminal.ts'
import { chooseEnvironment, chosenEnvironment } from '../../project/chosen.ts'
import { readConfig } from '../../project/config.ts'
import { type Format, formatted } from '../flags.ts'

interface ListOptions {
  json?: boolean
  output?: Format
}

/** Declares `env`. */
export function addTo(program: Command): void {
  const env = program
    .command('env')
    .description('list environments, and choose the one that commands of this folder work on')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper env                  which environments there are, and which one is chosen
  viewkeeper env use production   from now on, commands here work on production
  viewkeeper env use local        they work on the local gateway again

--env and VIEWKEEPER_ENV win over what is chosen. migrate, check, adopt and doctor
do not obey it: they work on DATABASE_URL unless --env is written.`,
    )
    .action(() => list({}))
  formatted(env.command('list'), ['json', 'name'])
    .description('list the environments of the configuration')
    .action((options) => list(options))
  env
    .command('use')
    .argument('<name>', 'an environment, or local')
    .description('choose the environment for commands of this folder')
    .action((name) => use(name))
}

/** Lists the environments of the configuration, and says which one commands of this folder work on. */
async function list({ json, output }: ListOptions): Promise<void> {
  const { file, environments } = await readConfig()
  const chosen = process.env.VIEWKEEPER_ENV || chosenEnvironment() || local
  const names = [...new Set([local, ...Object.keys(environments), chosen])]
  if (json) return printJson({ environments: names, chosen })
  if (output === 'name') return print(...names)
  print(...names.map((name) => (name === chosen ? paint('bold', `* ${name}`) : `  ${name}`)))
  if (process.env.VIEWKEEPER_ENV) print('', 'VIEWKEEPER_ENV chooses it.')
  if (file === null)
    print('', 'There is no viewkeeper.config.ts here: any deployed environment can be named with --env.')
}

/** Chooses an environment for the commands of this folder. Refuses a slip of a configured name. */
async function use(name: string): Promise<void> {
  const { file, environments } = await readConfig()
  const known = Object.keys(environments)
  const meant = known.includes(name) || name === local ? undefined : nearest(name, [...known, local])
  if (meant !== undefined)
    throw new Problem(
      'InvalidRequest',
      `${file ?? 'This folder'} has no environment ${name}. Did you mean ${meant}?`,
      {
        field: 'name',
      },
    )
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(name))
    throw new Problem(
      'InvalidRequest',
      `${JSON.stringify(name)} is not the name of an environment: write 1 to 20 small letters, digits and hyphens.`,
      { field: 'name' },
    )
  chooseEnvironment(name === local ? null : name)
  print(
    `${paint('green', '✓')} commands of this folder work on ${name === local ? 'the local gateway' : name}`,
    ...(name === local
      ? []
      : [`  next: viewkeeper env use ${local} ends that; --env names another one for one command`]),
  )
  if (process.env.VIEWKEEPER_ENV)
    print(`  but VIEWKEEPER_ENV is ${process.env.VIEWKEEPER_ENV}, and wins: unset it`)
}
