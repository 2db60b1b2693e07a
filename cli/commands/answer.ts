import type { Column } from '../../src/resources/cell.ts'
import type { Api } from '../api/api.ts'
import { apiOf } from '../api/api-of.ts'
import { tableOf } from '../output/table.ts'
import { type Output, outputAs, print, printJson } from '../output/terminal.ts'
import type { Asking } from './flags.ts'

/** When, where and for whom an answer is printed. */
export interface Printing {
  api: Api
  /** The time of the answer. */
  now: Date
  output: Output
}

/** Asks the API, and prints what it answers: as JSON for programs, as lines for people. */
export async function answer<Answer>(
  { json, output: format, ...named }: Asking,
  ask: (api: Api) => Promise<Answer>,
  lines: (answer: Answer, printing: Printing) => string[] | Promise<string[]>,
): Promise<Answer> {
  const api = await apiOf(named)
  const found = await ask(api)
  if (json) printJson(found)
  else print(...(await lines(found, { api, now: new Date(), output: outputAs(format) })))
  return found
}

interface Listing<Row> {
  columns: Column<Row>[]
  /** What `-o name` prints of a row. */
  nameOf: (row: Row) => string | number
  /** What is said if there is no row. */
  none: string
  /** Lines below the table. */
  below?: (rows: Row[], printing: Printing) => string[]
}

/** The same for rows of a resource: a table, or only their names. */
export const list = <Row>(
  asking: Asking,
  ask: (api: Api) => Promise<Row[]>,
  { columns, nameOf, none, below = () => [] }: Listing<Row>,
): Promise<Row[]> =>
  answer(asking, ask, (rows, printing) => {
    if (asking.output === 'name') return rows.map((row) => String(nameOf(row)))
    if (rows.length === 0) return [none]
    return [...tableOf(columns, rows, printing.now, printing.output), ...below(rows, printing)]
  })
