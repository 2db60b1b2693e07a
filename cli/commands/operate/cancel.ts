import type { Command } from 'commander'
import { ask, readBatch, readRun } from '../../../src/api/ask.ts'
import { paint } from '../../../src/terminal/report.ts'
import { Problem } from '../../../src/words/problem.ts'
import { apiOf } from '../../api/api-of.ts'
import { failed, print, short } from '../../output/terminal.ts'
import { type Asking, operating } from '../asking.ts'

/** Declares `cancel`. */
export function addTo(program: Command): void {
  operating(program, 'cancel', [])
    .argument('<id>', 'of a run or a batch')
    .description('cancel a run, or a batch with its runs')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper cancel 812
  viewkeeper cancel 20261120-090000-1f3c9a2b`,
    )
    .action(cancel)
}

/** Cancels a run on the server, or a batch with its runs. An id of digits only is a run's. */
async function cancel(id: string, asking: Asking): Promise<void> {
  const api = await apiOf(asking)
  if (!/^\d+$/.test(id)) {
    await ask(api, 'cancelBatch', { id })
    const { status } = await readBatch(api, id)
    return status === 'canceled'
      ? print(`${paint('green', '✓')} batch ${id} is canceled`)
      : print(`batch ${id} ends as soon as its runs have stopped`)
  }
  // Canceling a run answers with the problem that the run has recorded: Canceled means that the cancel worked.
  await ask(api, 'cancelRun', { id }).catch((error) => {
    if (!(error instanceof Problem && error.code === 'Canceled')) throw error
  })
  const { status, view } = await readRun(api, Number(id))
  if (status === 'canceled')
    return print(`${paint('green', '✓')} run ${id} of ${short(view)} is canceled; its data are as before`)
  if (status === 'success') {
    process.exitCode = failed
    return print(`run ${id} of ${short(view)} was faster than the cancel: it has succeeded`)
  }
  print(`run ${id} of ${short(view)} is ${status}; the server stops it as soon as it can`)
}
