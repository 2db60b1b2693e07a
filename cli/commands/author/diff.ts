import { type Command, Option } from 'commander'
import { type Culprit, findBadRow } from '../../../src/migrate/authoring/bad-row.ts'
import { type DataDiff, diffView } from '../../../src/migrate/authoring/diff.ts'
import { quoteName } from '../../../src/sql/names.ts'
import { report } from '../../../src/terminal/report.ts'
import { command } from '../../../src/words/commands.ts'
import { displayName, type QualifiedName } from '../../../src/words/names.ts'
import { count, whole } from '../../../src/words/phrases.ts'
import { Problem } from '../../../src/words/problem.ts'
import { columnLines, markdown, markdownLines, tableLines } from '../../output/table.ts'
import { cut, harmless, type Output, output, print } from '../../output/terminal.ts'
import { readAuthored } from '../../project/authored.ts'
import { qualified } from '../../project/names.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { positive } from '../asking.ts'

// What tries a query on the data: `diff`, and `bad-row`.

interface DiffOptions {
  seconds?: number
  markdown?: boolean
}

/** Declares `diff`. */
export function addDiff(program: Command): void {
  program
    .command('diff')
    .argument('<view...>')
    .description('compare new data of views with those that readers see')
    .option('--seconds <n>', 'how long one view may take at most', positive, 600)
    .option('--markdown', 'print a table for a pull request, without rows')
    .addHelpText(
      'after',
      '\nExecutes the query in views/, or else that of the view, on DATABASE_URL, and undoes\neverything. Up to ten rows are printed here, and recorded nowhere.',
    )
    .action((views: string[], options) => diff(views.map(named), options))
}

const named = (view: string): QualifiedName => qualified(view, 'view')

/** The option of commands that find changed views, and show their differences, too. */
export const diffOption = (): Option =>
  new Option('--diff [format]', 'show how the data of changed views will differ, also as markdown').choices([
    'markdown',
  ])

/** Prints how new data of views differ from those that readers see. With `skips`, a view that is not there is no failure. */
export async function diff(
  views: QualifiedName[],
  { seconds = 600, markdown = false }: DiffOptions,
  skips = false,
): Promise<void> {
  const authored = new Map((await readAuthored()).map((each) => [quoteName(each), each]))
  for (const view of views) {
    try {
      const definition = authored.get(quoteName(view)) ?? null
      const found = await diffView(databaseFromUrl(null), view, definition, { mostMs: seconds * 1000 })
      print(...(markdown ? diffMarkdown(found) : diffLines(found, output())), '')
    } catch (error) {
      if (!skips || !(error instanceof Problem && error.code === 'UnknownView')) throw error
      report.line(`${displayName(view)} is not in this database yet: there is nothing to compare with`)
    }
  }
}

/** How new data of a view differ from those that readers see: counts, columns, and up to ten rows. */
const diffLines = (diff: DataDiff, output: Output): string[] => [
  ...headings(diff).map(harmless),
  ...tableLines(
    titles.map((title, at) => ({ title: title.toUpperCase(), cell: (row: string[]) => row[at] ?? '' })),
    cellsOf(diff),
    output,
  ),
  ...diff.examples.map((example) => cut(harmless(exampleLine(diff, example)), output.width)),
]

/** The same for a pull request, as a table in Markdown, without rows. */
const diffMarkdown = (diff: DataDiff): string[] => [
  ...headings(diff).flatMap((text) => [markdown(text), '']),
  ...markdownLines(titles, cellsOf(diff), true),
]

const titles = ['rows', 'number', 'of before']

const signs = { added: '+', gone: '-', changed: '~' }

function headings({ view, key, repeated, columns, oldColumns, newColumns }: DataDiff): string[] {
  const by = key === null ? 'as wholes: no unique index identifies them' : `by ${key.join(', ')}`
  const others = [
    ...newColumns.map(({ name, type }) => `+ ${name} ${type}`),
    ...oldColumns.map(({ name, type }) => `- ${name} ${type}`),
    ...columns.flatMap(({ name, type, now }) => (type === now ? [] : `~ ${name} ${type} → ${now}`)),
  ]
  return [
    `${view}: rows compared ${by}`,
    ...(others.length > 0 ? [`columns: ${others.join(', ')}`] : []),
    ...(repeated > 0 ? [`${count(repeated, 'row')} more than keys: a refresh will fail`] : []),
  ]
}

/** The table's rows: a number of rows, and its part of those before. */
function cellsOf({ before, after, added, gone, changed, columns }: DataDiff): string[][] {
  const inColumns = columns.map(({ name, changed }) => [`changed in ${name}`, changed] as const)
  const all = Object.entries({ before, now: after, added, gone, changed })
  return [...all, ...inColumns.filter(([, found]) => found > 0)].map(([what, found]) => {
    return [what, whole(found), before > 0 ? `${((found / before) * 100).toFixed(2)} %` : '']
  })
}

/** `~ day=2026-01-01  total: 10 → 12` */
function exampleLine({ columns, key }: DataDiff, [kind, before, now]: DataDiff['examples'][number]): string {
  const told = columns.flatMap(({ name }, at) => {
    const [old, fresh] = [before[at] ?? 'null', now[at] ?? 'null']
    if (kind !== 'changed' || key?.includes(name)) return `${name}=${kind === 'added' ? fresh : old}`
    return before[at] === now[at] ? [] : `${name}: ${old} → ${fresh}`
  })
  return `${signs[kind]} ${told.join('  ')}`
}

interface BadRowOptions {
  view: string
  trust?: string
  seconds: number
}

/** Declares `bad-row`. */
export function addBadRow(program: Command): void {
  program
    .command('bad-row')
    .argument('<view>')
    .description("find the rows with which a view's query fails, or that its unique index refuses")
    .option('--trust <role>', "execute this role's query, though your login may do more")
    .option('--seconds <n>', 'how long to look at most', positive, 600)
    .addHelpText(
      'after',
      '\nExecutes the query of the view as its owner, or, if your login may not act as the owner,\nas the login of DATABASE_URL, in a transaction that only reads. The rows are printed here, and recorded nowhere.',
    )
    .action((view, options) => badRow({ view, ...options }))
}

/** Prints the columns and rows with which a view's query fails. If it fails, the exit code is 1. */
async function badRow({ view, trust, seconds }: BadRowOptions): Promise<void> {
  const culprit = await findBadRow(databaseFromUrl(null), qualified(view, 'view'), {
    trusted: trust ?? null,
    mostMs: seconds * 1000,
  })
  if ('works' in culprit) {
    const { as, owner, equal } = culprit
    if (equal.length > 0) {
      process.exitCode = 1
      for (const { index, rows, values } of equal) {
        report.line(
          harmless(`${count(rows, 'row')} of the query of ${view} are equal by unique index ${index}`),
        )
        for (const line of columnLines(values.map(({ column, value }) => [column, value ?? 'null'])))
          report.line(`  ${harmless(line)}`)
      }
      return report.line(
        `next: let the query return one of them, or drop the index; then ${command(['refresh', view], null)}`,
      )
    }
    report.line(
      as === 'owner'
        ? `the query of ${view} works now, as its owner ${harmless(owner)}; no unique index refuses its rows; checks are not tried`
        : `the query of ${view} works for your login; a refresh executes it as ${harmless(owner)}, who may see other rows, by row security, and has other rights. Your login may not act as ${harmless(owner)}: doctor says what it lacks`,
    )
    return report.line(`next: ${command([as === 'owner' ? 'refresh' : 'doctor', view], null)}`)
  }
  process.exitCode = 1
  for (const line of linesOf(culprit)) report.line(harmless(line))
  report.line(
    culprit.rows.length > 0
      ? `next: correct what is wrong there, or change the query; then ${command(['refresh', view], null)}`
      : `next: correct what the error names; then ${command(['refresh', view], null)}`,
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
      `${relation}, ctid ${ctid}${values === null ? ': it may not be read' : ''}`,
      ...columnLines((values ?? []).map(({ column, value }) => [column, value ?? 'null'])).map(
        (line) => `  ${line}`,
      ),
    ]),
    ...doubts,
  ]
}
