import { ageText } from '../../src/catalog/plan/state.ts'
import type { Cell, Column, Fact } from '../../src/resources/cell.ts'
import type { Tone } from '../../src/resources/sign.ts'
import { ago, ahead, moment } from '../../src/sql/words.ts'
import { pairLines, tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { short, styleOf } from './words.ts'

/** Rows of a resource as a table. `now` is the time of the answer. */
export const tableOf = <Row>(columns: Column<Row>[], rows: Row[], now: Date, output: Output): string[] =>
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
  if (cell === null || typeof cell === 'string') return cell ?? ''
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

function toneOf(cell: Cell): Tone | undefined {
  if (cell === null || typeof cell === 'string') return undefined
  if (Array.isArray(cell)) return cell.map(toneOf).find((tone) => tone !== undefined)
  if ('age' in cell) return cell.age.stale ? 'warn' : undefined
  if ('tone' in cell) return cell.tone
  return 'sign' in cell ? cell.sign.tone : undefined
}
