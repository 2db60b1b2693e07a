import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { printJson } from '../../output/terminal.ts'
import { startRun } from '../../watch/start.ts'
import { formatted, noWait, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface CreateOptions extends ApiOptions {
  view: string
  force?: boolean
  data: boolean
  wait: boolean
  json?: boolean
}

/** Declares `create`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'create'))
    .argument('<view>')
    .description('create a view from its definition')
    .option('--force', 'replace the view if it exists and nothing depends on it')
    .option('--no-data', 'leave the view empty')
    .option(...noWait)
    .action((view, options) => create({ view, ...options }))
}

/** Creates a view from its definition. A view that exists is left as it is, unless `force` is true. */
export async function create({ view, force, data, wait, json, ...options }: CreateOptions): Promise<void> {
  const body = { force, withData: data }
  const run = await startRun(await apiOf(options), { view, operation: 'create', body }, { wait, json })
  if (json) printJson(run)
}
