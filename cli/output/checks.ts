import type { CheckedView } from '../../src/api/answers.ts'
import { docsOf } from '../../src/sql/runbook.ts'
import { count, duration, whole } from '../../src/sql/words.ts'
import { short } from './names.ts'
import { tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { harmless } from './width.ts'

/** What the checks of views have found: a table, and the query of each that found rows. */
export function checkedLines(tested: CheckedView[], output: Output): string[] {
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
