import type { Command } from 'commander'
import type { CheckedView } from '../../../src/api/answers.ts'
import { ask, readViews } from '../../../src/api/ask.ts'
import { count, duration, whole } from '../../../src/words/phrases.ts'
import { docsOf } from '../../../src/words/problem.ts'
import type { Api } from '../../api/api.ts'
import { tableLines } from '../../output/table.ts'
import { failed, harmless, type Output, short } from '../../output/terminal.ts'
import { answer, operating } from '../asking.ts'

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

/** What the checks of views have found: a table, and the query of each that found rows. */
function checkedLines(tested: CheckedView[], output: Output): string[] {
  const rows = tested.flatMap(({ view, checks }) => checks.map((check) => ({ view, ...check })))
  if (rows.length === 0) return [`no check is defined: ${docsOf('checks.md')}`]
  const bad = rows.filter((check) => check.rows !== 0)
  const [held, warned] = [
    bad.filter(({ severity }) => !severity).length,
    bad.filter(({ severity }) => severity).length,
  ]
  return [
    ...tableLines(
      [
        { title: 'VIEW', cell: ({ view }) => short(view) },
        { title: 'CHECK', cell: ({ name }) => name },
        {
          title: 'FOUND',
          cell: ({ rows, error }) =>
            error !== null
              ? `${error.message}${error.sqlstate === null ? '' : ` (${error.sqlstate})`}`
              : rows === 0
                ? 'nothing'
                : count(rows ?? 0, 'row'),
          style: ({ rows, severity }) => (rows === 0 ? undefined : severity ? 'yellow' : 'red'),
        },
        { title: 'TOOK', cell: ({ ms }) => (ms === null ? '' : duration(ms)), right: true, leaveOut: 0 },
      ],
      rows,
      output,
    ),
    ...bad
      .filter(({ error }) => error === null)
      .flatMap(({ view, name, query }) => [
        '',
        `${short(view)}, ${name}:`,
        ...`with ${view.slice(view.indexOf('.') + 1)} as (table ${view})\n${query}`
          .split('\n')
          .map((line) => `  ${harmless(line)}`),
      ]),
    '',
    held + warned === 0
      ? `${count(rows.length, 'check')} found nothing`
      : `${whole(held)} of ${count(rows.length, 'check')} failed${warned === 0 ? '' : `, ${whole(warned)} warned`}`,
  ]
}
