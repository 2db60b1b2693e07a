import type { Command } from 'commander'
import type { TestedView } from '../../../src/edge/http/schemas/answers.ts'
import type { Api } from '../../api/api.ts'
import { ask } from '../../api/ask.ts'
import { readViews } from '../../api/reads.ts'
import { testedLines } from '../../output/checks.ts'
import { failed } from '../../output/exit-codes.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `test`, which makes the checks of views on the data that readers see. */
export function addTo(program: Command): void {
  operating(program, 'test')
    .argument('[view...]', 'by default every view that has checks')
    .description('make the checks of views on the data that readers see')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper test -e production     every view that has checks
  viewkeeper test sales -o json

The exit code is 1 if a check that does not only warn found rows, or could not be
made.`,
    )
    .action(async (views, asking) => {
      const tested = await answer(
        asking,
        (api) => testAll(api, views),
        (found, { output }) => testedLines(found, output),
      )
      if (tested.some(({ passes }) => !passes)) process.exitCode = failed
    })
}

/** Makes the checks of these views, or of all that have any, one view after the other. */
async function testAll(api: Api, views: string[]): Promise<TestedView[]> {
  const checked = async () =>
    (await readViews(api)).views.filter(({ checked, populated }) => checked && populated)
  const named = views.length > 0 ? views : (await checked()).map(({ view }) => view)
  const tested: TestedView[] = []
  for (const view of named) tested.push(await ask(api, 'testView', { view }))
  return tested
}
