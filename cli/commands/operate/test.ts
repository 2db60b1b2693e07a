import type { Command } from 'commander'
import type { TestedView } from '../../../src/edge/http/schemas/answers.ts'
import { apiOf } from '../../api/api-of.ts'
import { readViews, viewPath } from '../../api/reads.ts'
import { testedLines } from '../../output/checks.ts'
import { failed } from '../../output/exit-codes.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface TestOptions extends ApiOptions {
  views: string[]
  json?: boolean
}

/** Declares `test`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'test'))
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
    .action((views, options) => test({ views, ...options }))
}

/** Makes the checks of these views, or of all that have any, on the data that readers see, and prints what they found. */
export async function test({ views, json, ...options }: TestOptions): Promise<void> {
  const api = await apiOf(options)
  const named =
    views.length > 0
      ? views
      : (await readViews(api)).views
          .filter(({ checked, populated }) => checked && populated)
          .map(({ view }) => view)
  const tested: TestedView[] = []
  for (const view of named) tested.push((await api.send<TestedView>('POST', viewPath(view, '/test'))).body)
  if (json) printJson(tested)
  else print(...testedLines(tested, output()))
  if (tested.some(({ passes }) => !passes)) process.exitCode = failed
}
