import type { Command } from 'commander'
import type { TestedView } from '../../../src/api/schemas/answers.ts'
import type { Api } from '../../api/api.ts'
import { ask } from '../../api/ask.ts'
import { readViews } from '../../api/reads.ts'
import { testedLines } from '../../output/checks.ts'
import { failed } from '../../output/exit-codes.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `test`, which checks the data that readers see. */
export function addTo(program: Command): void {
  operating(program, 'test')
    .argument('[view...]', 'by default every view that has checks')
    .description('check the data that readers see')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper test -e production     every view that has checks
  viewkeeper test sales -o json

The exit code is 1 if a check found rows or could not run, unless it only warns.`,
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

/** Checks these views, or all that have checks, one after the other. */
async function testAll(api: Api, views: string[]): Promise<TestedView[]> {
  const checked = async () =>
    (await readViews(api)).views.filter(({ checked, populated }) => checked && populated)
  const named = views.length > 0 ? views : (await checked()).map(({ view }) => view)
  const tested: TestedView[] = []
  for (const view of named) tested.push(await ask(api, 'testView', { view }))
  return tested
}
