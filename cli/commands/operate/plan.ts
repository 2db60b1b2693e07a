import type { Command } from 'commander'
import type { Plan } from '../../../src/edge/http/schemas/answers.ts'
import { planLines } from '../../output/plan.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `plan`, which prints the schedules that have a turn in the coming day, and what target lags refresh. */
export function addTo(program: Command): void {
  operating(program, 'plan')
    .description('say what runs in the coming 24 hours')
    .action(async (asking) => {
      await answer(
        asking,
        async (api) => (await api.send<Plan>('GET', '/plan')).body,
        (plan, { output }) => planLines(plan, output),
      )
    })
}
