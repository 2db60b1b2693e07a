import type { Command } from 'commander'
import { ask } from '../../../src/api/ask.ts'
import { planLines } from '../../output/plan.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `plan`, which prints the schedules that have a turn in the coming day, and what target lags refresh. */
export function addTo(program: Command): void {
  operating(program, 'plan')
    .description('list what runs in the coming 24 hours')
    .action(async (asking) => {
      await answer(
        asking,
        (api) => ask(api, 'getPlan', {}),
        (plan, { output }) => planLines(plan, output),
      )
    })
}
