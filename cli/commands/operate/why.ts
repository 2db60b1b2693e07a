import type { Command } from 'commander'
import type { Why } from '../../../src/api/answers.ts'
import { ask } from '../../../src/api/ask.ts'
import { aimed } from '../../../src/sql/commands.ts'
import type { Api } from '../../api/api.ts'
import { whyLines } from '../../output/why.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `why`, which prints why a view is as old as it is, who is in the way, and what to type. */
export function addTo(program: Command): void {
  operating(program, 'why')
    .argument('<view>')
    .description('say why a view is so old, and what to do')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper why sales -e production`,
    )
    .action(async (view, asking) => {
      await answer(
        asking,
        (api) => readWhy(api, view),
        (why, { now, output }) => whyLines(why, now, output),
      )
    })
}

/** What is to be typed works on the same API. */
async function readWhy(api: Api, view: string): Promise<Why> {
  const why = await ask(api, 'getWhy', { view })
  return {
    ...why,
    causes: why.causes.map((cause) => ({ ...cause, next: cause.next && aimed(cause.next, api.typed) })),
  }
}
