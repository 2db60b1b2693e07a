import type { Command } from 'commander'
import { type Culprit, findBadRow } from '../../../src/migrate/authoring/bad-row.ts'
import { command } from '../../../src/sql/commands.ts'
import { count, report } from '../../../src/terminal/report.ts'
import { columnLines } from '../../output/table.ts'
import { harmless } from '../../output/terminal.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { positive } from '../flags.ts'

interface BadRowOptions {
  view: string
  trust?: string
  seconds: number
}

/** Declares `bad-row`. */
export function addTo(program: Command): void {
  program
    .command('bad-row')
    .argument('<view>')
    .description("find the rows with which a view's query fails")
    .option('--trust <role>', "execute this role's query, though your login may do more")
    .option('--seconds <n>', 'how long to look at most', positive, 600)
    .addHelpText(
      'after',
      '\nExecutes the query of the view as the login of DATABASE_URL, in a transaction that\nonly reads. The rows are printed here, and recorded nowhere.',
    )
    .action((view, options) => badRow({ view, ...options }))
}

/** Prints the columns and rows with which a view's query fails. If it fails, the exit code is 1. */
export async function badRow({ view, trust, seconds }: BadRowOptions): Promise<void> {
  const culprit = await findBadRow(databaseFromUrl(null), qualified(view, 'view'), {
    trusted: trust ?? null,
    mostMs: seconds * 1000,
  })
  if (culprit === null) {
    report.line(
      `the query of ${view} works for your login; row security may hide rows from it, and a unique index is not tried`,
    )
    return report.line(`next: ${command(['refresh', view], null)}`)
  }
  process.exitCode = 1
  for (const line of linesOf(culprit)) report.line(harmless(line))
  report.line(
    culprit.rows.length > 0
      ? `next: correct what is wrong there, or change the query; then ${command(['refresh', view], null)}`
      : `next: ${command(['why', view], null)}`,
  )
}

function linesOf({ failure, columns, rows, doubts }: Culprit): string[] {
  const { message, sqlstate, detail, hint, where } = failure
  const more = [detail, hint, where].flatMap((text) => text?.split('\n') ?? [])
  const place =
    columns === null
      ? []
      : [
          columns.length === 0
            ? 'in a condition, a join or a grouping'
            : `in ${columns.length === 1 ? 'column' : 'columns'} ${columns.join(', ')}`,
        ]
  return [
    `${message} (${sqlstate})`,
    ...more.map((text) => `  ${text}`),
    ...place,
    ...(rows.length > 1 ? [`only with these ${count(rows.length, 'row')} together:`] : []),
    ...rows.flatMap(({ relation, ctid, values }) => [
      `${relation}, ctid ${ctid}${values === null ? ': your login may not read this row' : ''}`,
      ...columnLines((values ?? []).map(({ column, value }) => [column, value ?? 'null'])).map(
        (line) => `  ${line}`,
      ),
    ]),
    ...doubts,
  ]
}
