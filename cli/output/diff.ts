import type { DataDiff } from '../../src/migrate/authoring/diff.ts'
import { estimated } from '../../src/rebuild/plan/compare.ts'
import { count, whole } from '../../src/sql/words.ts'
import { tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { cut, harmless } from './width.ts'

/** A difference as JSON for programs: counts, without rows. */
export const diffJson = ({ examples: _, ...counts }: DataDiff): object => counts

/** How new data of a view differ from those that readers see: counts, columns, and up to ten rows. */
export function diffLines(diff: DataDiff, output: Output): string[] {
  const rows = [...countsOf(diff), ...changesOf(diff)]
  return [
    `${diff.view}: ${heading(diff)}`,
    ...tableLines(
      [
        { title: 'ROWS', cell: ([what]) => what },
        { title: 'NUMBER', cell: ([, number]) => number, right: true },
        { title: 'OF ALL', cell: ([, , part]) => part, right: true },
      ],
      rows,
      output,
    ),
    ...notesOf(diff),
    ...diff.examples.map((example) => cut(harmless(exampleLine(diff, example)), output.width)),
  ]
}

/** The same for a pull request, as a table in Markdown, without rows. */
export const diffMarkdown = (diff: DataDiff): string =>
  [
    `**${markdown(diff.view)}**: ${markdown(heading(diff))}`,
    '',
    '| rows | number | of all |',
    '|---|--:|--:|',
    ...[...countsOf(diff), ...changesOf(diff)].map((cells) => `| ${cells.map(markdown).join(' | ')} |`),
    ...notesOf(diff).map((note) => `\n${markdown(note)}`),
  ].join('\n')

type Cells = [what: string, number: string, part: string]

function heading({ key, share, before, after }: DataDiff): string {
  const by =
    key === null
      ? 'rows compared as wholes, because no unique index identifies them'
      : `rows compared by ${key.join(', ')}`
  const sample = `, in a sample of ${Number((share * 100).toPrecision(2))} % of the keys (${whole(before)} rows before, ${whole(after)} now); in brackets where 95 % of samples have the number`
  return `${by}${share < 1 ? sample : ''}`
}

function countsOf(diff: DataDiff): Cells[] {
  const { before, after, added, gone, changed } = diff
  const all: [string, number][] = [
    ['before', before],
    ['now', after],
    ['added', added],
    ['gone', gone],
    ['changed', changed],
  ]
  return all.map(([what, found]) => [what, ...figures(diff, found)])
}

/** The number of rows, and their part of those before. */
function figures({ share, before }: DataDiff, found: number): [string, string] {
  const { count, from, to } = estimated(found, share)
  const part = before === 0 ? '' : `${((found / before) * 100).toFixed(2)} %`
  return [share < 1 ? `${whole(count)} (${whole(from)} to ${whole(to)})` : whole(count), part]
}

const changesOf = (diff: DataDiff): Cells[] =>
  diff.columns
    .filter(({ changed }) => changed > 0)
    .map(({ name, changed }) => [`changed in ${name}`, ...figures(diff, changed)])

const notesOf = ({ key, repeated, columns, oldColumns, newColumns }: DataDiff): string[] => [
  ...newColumns.map(({ name, type }) => `column ${name} is new (${type})`),
  ...oldColumns.map(({ name, type }) => `column ${name} is gone (${type})`),
  ...columns.flatMap(({ name, type, now }) =>
    type === now ? [] : [`column ${name} was ${type} and is ${now}: its values are compared as text`],
  ),
  ...(repeated === 0
    ? []
    : [
        `${count(repeated, 'row')} more than keys: the new data are not unique in ${key?.join(', ')}, and a refresh will fail`,
      ]),
]

/** `~ day=2026-01-01 total: 10 → 12` */
function exampleLine({ columns, key }: DataDiff, [kind, before, now]: DataDiff['examples'][number]): string {
  const value = (text: string | null | undefined) => text ?? 'null'
  const told = columns.flatMap(({ name }, at) => {
    if (kind !== 'changed' || key?.includes(name))
      return `${name}=${value((kind === 'added' ? now : before)[at])}`
    return before[at] === now[at] ? [] : `${name}: ${value(before[at])} → ${value(now[at])}`
  })
  return `${{ added: '+', gone: '-', changed: '~' }[kind]} ${told.join('  ')}`
}

const markdown = (text: string): string => harmless(text).replace(/[\\`*_{}[\]<>|#~]/g, '\\$&')
