import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { startRun } from '../../watch/start.ts'
import { noWait, operating } from '../flags.ts'

/** Declares `create`, which creates a view from its definition. A view that exists is left as it is without `--force`. */
export function addTo(program: Command): void {
  operating(program, 'create')
    .argument('<view>')
    .description('create a view from its definition')
    .option('--force', 'replace the view if it exists and nothing depends on it')
    .option('--no-data', 'leave the view empty')
    .option(...noWait)
    .action(async (view, { force, data, wait, ...asking }) => {
      const body = { force, withData: data }
      await startRun(await apiOf(asking), { view, operation: 'create', body }, { wait, json: asking.json })
    })
}
