import { expect, test } from 'vitest'
import { columnLines, pairLines, type TextColumn, tableLines } from '../../../cli/output/table.ts'
import { plain } from '../../../src/terminal/report.ts'

type Row = { name: string; rows: string; why: string }

const columns: TextColumn<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'ROWS', cell: ({ rows }) => rows, right: true, leaveOut: 2 },
  { title: 'WHY', cell: ({ why }) => why, leaveOut: 1, least: 6 },
]
const rows: Row[] = [
  { name: 'sales', rows: '4,309', why: 'ViewSqlFailed' },
  { name: '売上', rows: '7', why: '' },
]
const table = (width: number, of = rows) => tableLines(columns, of, { width, paint: plain })

test('columns are as wide as their texts on the terminal, and numbers stand at the right', () => {
  expect(table(80)).toEqual(['NAME    ROWS  WHY', 'sales  4,309  ViewSqlFailed', '売上       7'])
})

test('if the terminal is narrow, a long column is cut, then the least important columns are left out', () => {
  expect(table(20)).toEqual(['NAME    ROWS  WHY', 'sales  4,309  ViewS…', '売上       7'])
  expect(table(14)).toEqual(['NAME   WHY', 'sales  ViewS…', '売上'])
  expect(table(9)).toEqual(['NAME', 'sales', '売上'])
})

test('a column without any text is left out', () => {
  expect(table(80, [{ name: 'sales', rows: '1', why: '' }])).toEqual(['NAME   ROWS', 'sales     1'])
})

test('a name that is wider than the terminal is cut', () => {
  expect(table(10, [{ name: 'a_very_long_name', rows: '', why: '' }])).toEqual(['NAME', 'a_very_lo…'])
})

test('text of others cannot colour the table', () => {
  expect(table(80, [{ name: '\x1b[31mred', rows: '', why: '' }])).toEqual(['NAME', 'red'])
})

test('values stand beside their labels, long ones go on below, and those that are missing are left out', () => {
  const pairs: [string, string | null][] = [
    ['owner', 'me'],
    ['comment', null],
    ['schedule', ''],
    ['because', 'it is small enough'],
  ]
  expect(pairLines(pairs, { width: 20, paint: plain })).toEqual([
    'owner    me',
    'because  it is small',
    '         enough',
  ])
})

test('columns without titles are whole, and as wide as the characters that people see', () => {
  const rows = [
    ['9', '売上', 'x'.repeat(300)],
    ['10', 'sales', ''],
  ]
  expect(columnLines(rows, [{ right: true }])).toEqual([` 9   売上    ${'x'.repeat(300)}`, '10   sales'])
  expect(columnLines([])).toEqual([])
})
