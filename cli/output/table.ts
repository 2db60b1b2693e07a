import { ageText } from '../../src/catalog/plan/state.ts'
import type { Cell, Fact, Column as ResourceColumn, SignTone } from '../../src/resources/cell.ts'
import { type Paint, paint, type Style } from '../../src/terminal/report.ts'
import { ago, ahead, moment } from '../../src/words/phrases.ts'
import { cut, displayWidth, fill, harmless, type Output, short, styleOf, wrap } from './terminal.ts'

/** Rows of a resource as a table. `now` is the time of the answer. */
export const tableOf = <Row>(
  columns: ResourceColumn<Row>[],
  rows: Row[],
  now: Date,
  output: Output,
): string[] =>
  tableLines(
    columns.map(({ title, cell, number, pale, leaveOut, least }) => ({
      title: title.toUpperCase(),
      cell: (row: Row) => textOf(cell(row, now), now, output.wide),
      style: (row: Row) => (pale ? 'dim' : styleOf(toneOf(cell(row, now)))),
      ...(number && { right: number }),
      ...(leaveOut !== undefined && { leaveOut }),
      ...(least !== undefined && { least }),
    })),
    rows,
    output,
  )

/** Facts, one below the other. */
export const factLines = (facts: Fact[], now: Date, output: Output): string[] =>
  pairLines(
    facts.map(([label, cell]) => [label, textOf(cell, now)]),
    output,
  )

/** What a cell says. `wide` writes moments and names in full. */
export function textOf(cell: Cell, now: Date, wide = false): string {
  if (cell == null || typeof cell === 'string') return cell ?? ''
  if (Array.isArray(cell)) return cell.map((each) => textOf(each, now, wide)).join('')
  if ('sign' in cell) return cell.word ?? cell.sign.word
  if ('view' in cell) return short(cell.view)
  if ('run' in cell) return cell.text ?? String(cell.run)
  if ('batch' in cell) return cell.text ?? cell.batch
  if ('past' in cell) return wide ? cell.past : ago(now.getTime() - Date.parse(cell.past))
  if ('ahead' in cell) return wide ? cell.ahead : ahead(Date.parse(cell.ahead) - now.getTime())
  if ('moment' in cell) return moment(cell.moment, now)
  if ('age' in cell) return cell.age.staleMs === null ? '' : ageText(cell.age)
  if ('text' in cell) return cell.text
  if ('code' in cell) return cell.code
  if ('short' in cell) return wide ? cell.whole : cell.short
  return ''
}

function toneOf(cell: Cell): SignTone | undefined {
  if (cell == null || typeof cell === 'string') return undefined
  if (Array.isArray(cell)) return cell.map(toneOf).find((tone) => tone !== undefined)
  if ('age' in cell) return cell.age.stale ? 'warn' : undefined
  if ('tone' in cell) return cell.tone
  return 'sign' in cell ? cell.sign.tone : undefined
}

export interface TextColumn<Row> {
  title: string
  cell(row: Row): string
  style?(row: Row): Style | undefined
  /** Numbers stand at the right. */
  right?: true
  /** If the table is wider than the terminal, the column with the highest number is left out first; without one: never. */
  leaveOut?: number
  /** The column is cut to this width before any column is left out. */
  least?: number
}

const leastWidth = 8

/**
 * A table without lines, of at most `width` columns of the terminal: columns without any text are left out, then
 * those that matter least. Texts are cut with `…`.
 */
export function tableLines<Row>(
  columns: TextColumn<Row>[],
  rows: Row[],
  { width, paint, gap = '  ' }: { width: number; paint: Paint; gap?: string },
): string[] {
  const filled = columns
    .map((column) => ({ ...column, cells: rows.map((row) => harmless(column.cell(row))) }))
    .filter(({ cells, leaveOut }) => leaveOut === undefined || cells.some((cell) => cell !== ''))
    .map((column) => ({
      ...column,
      width: Math.max(displayWidth(column.title), ...column.cells.map(displayWidth)),
    }))
  const shown = fitting(filled, width, gap.length)
  const line = (
    cellOf: (column: (typeof shown)[number]) => string,
    styleOf: (column: (typeof shown)[number]) => Style | undefined,
  ) =>
    shown
      .map((column, at) => {
        const text = cut(cellOf(column), column.width)
        const style = styleOf(column)
        const space =
          column.right || at < shown.length - 1 ? ' '.repeat(column.width - displayWidth(text)) : ''
        const painted = style && text !== '' ? paint(style, text) : text
        return column.right ? space + painted : painted + space
      })
      .join(gap)
      .trimEnd()
  return [
    line(
      ({ title }) => title,
      () => 'dim',
    ),
    ...rows.map((row, at) =>
      line(
        ({ cells }) => cells[at] as string,
        ({ style }) => style?.(row),
      ),
    ),
  ]
}

/** Rows of cells in columns, whole and without titles; `columns` says what differs from plain text at the left. */
export const columnLines = (rows: string[][], columns: Partial<TextColumn<string[]>>[] = []): string[] =>
  tableLines(
    (rows[0] ?? []).map((_, at) => ({
      title: '',
      cell: (row: string[]) => row[at] ?? '',
      ...columns[at],
    })),
    rows,
    { width: Number.POSITIVE_INFINITY, paint, gap: '   ' },
  ).slice(1)

interface Measured {
  width: number
  leaveOut?: number
  least?: number
}

/** Cuts columns that may be cut, and leaves columns out, until the rest fits. */
function fitting<Column extends Measured>(columns: Column[], width: number, gap: number): Column[] {
  const over = columns.reduce((sum, column) => sum + column.width + gap, -gap) - width
  if (over <= 0) return columns
  const cuttable = columns.find((column) => column.least !== undefined && column.width > column.least)
  if (cuttable)
    return fitting(
      columns.map((column) => (column === cuttable ? cutBy(column, over, column.least) : column)),
      width,
      gap,
    )
  const least = Math.max(...columns.map(({ leaveOut }) => leaveOut ?? -1))
  if (least >= 0)
    return fitting(
      columns.filter(({ leaveOut }) => leaveOut !== least),
      width,
      gap,
    )
  const widest = columns.reduce((a, b) => (b.width > a.width ? b : a))
  return columns.map((column) => (column === widest ? cutBy(column, over, leastWidth) : column))
}

const cutBy = <Column extends Measured>(column: Column, over: number, least = leastWidth): Column => ({
  ...column,
  width: Math.max(least, column.width - over),
})

/** A table for a pull request. The first column has texts; `right` says that the others have numbers. */
export const markdownLines = (titles: string[], rows: string[][], right = false): string[] => [
  `| ${titles.join(' | ')} |`,
  `|${titles.map((_, at) => (right && at > 0 ? '--:' : '---')).join('|')}|`,
  ...rows.map((cells) => `| ${cells.map(markdown).join(' | ')} |`),
]

/** A text of one line that Markdown shows as it is. */
export const markdown = (text: string): string => harmless(text).replace(/[\\`*_{}[\]<>|#~]/g, '\\$&')

/** Labels with their values, one below the other; values that are null are left out. Long values go on below. */
export function pairLines(
  pairs: [label: string, value: string | null][],
  { width, paint }: { width: number; paint: Paint },
): string[] {
  const told = pairs.filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== '')
  const labels = Math.max(0, ...told.map(([label]) => displayWidth(label)))
  return told.flatMap(([label, value]) =>
    wrap(harmless(value), width - labels - 2).map(
      (line, at) => `${paint('dim', fill(at === 0 ? label : '', labels))}  ${line}`,
    ),
  )
}
