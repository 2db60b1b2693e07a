import type { Command } from 'commander'
import { paint } from '../../../src/terminal/report.ts'
import { local } from '../../api/api-of.ts'
import { print, printJson } from '../../output/terminal.ts'
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
    .description('list environments')
    .action(() => list({}))
  formatted(env.command('list'), ['json', 'name'])
    .description('list the environments of the configuration')
    .action((options) => list(options))
}

/** Lists the environments of the configuration, and says which one commands work on that name none. */
async function list({ json, output }: ListOptions): Promise<void> {
  const { file, environments } = await readConfig()
  const chosen = process.env.VIEWKEEPER_ENV || local
  const names = [...new Set([local, ...Object.keys(environments), chosen])]
  if (json) return printJson({ environments: names, chosen })
  if (output === 'name') return print(...names)
  print(...names.map((name) => (name === chosen ? paint('bold', `* ${name}`) : `  ${name}`)))
  if (process.env.VIEWKEEPER_ENV) print('', 'VIEWKEEPER_ENV chooses it.')
  if (file === null)
    print('', 'There is no viewkeeper.config.ts here: any deployed environment can be named with --env.')
}
