import type { Command } from 'commander'
import type { CheckedView } from '../../../src/api/answers.ts'
import { ask, readViews } from '../../../src/api/ask.ts'
import type { Api } from '../../api/api.ts'
import { checkedLines } from '../../output/checks.ts'
import { failed } from '../../output/exit-codes.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `check`, which checks the data that readers see. */
export function addTo(program: Command): void {
  operating(program, 'check')
    .argument('[view...]', 'by default every view that has checks')
    .description('check the data that readers see')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper check -e production     every view that has checks
  viewkeeper check sales -o json

The exit code is 1 if a check found rows or could not run, unless it only warns.`,
    )
    .action(async (views, asking) => {
      const checked = await answer(
        asking,
        (api) => checkAll(api, views),
        (found, { output }) => checkedLines(found, output),
      )
      if (checked.some(({ passes }) => !passes)) process.exitCode = failed
    })
}

/** Checks these views, or all that have checks, one after the other. */
async function checkAll(api: Api, views: string[]): Promise<CheckedView[]> {
  const withChecks = async () =>
    (await readViews(api)).views.filter(({ checked, populated }) => checked && populated)
  const named = views.length > 0 ? views : (await withChecks()).map(({ view }) => view)
  const checked: CheckedView[] = []
  for (const view of named) checked.push(await ask(api, 'checkView', { view }))
  return checked
}
