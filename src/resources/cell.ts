import type { Sign, Tone } from './sign.ts'

/**
 * What a table or a list of facts says in one place. The command line prints it, and the page draws it: names lead to their pages,
 * moments have their exact time in a tooltip.
 */
export type Cell =
  | string
  | null
  | { view: string }
  | { run: number; text?: string }
  | { batch: string; text?: string }
  /** How something stands; on the page it may lead to the view or the run that says why. */
  | { sign: Sign; word?: string; of?: { view: string } | { run: number } }
  /** A moment that has passed: `3 min ago`. */
  | { past: string }
  /** A moment that is to come: `in 7 h`. */
  | { ahead: string }
  /** A moment in full. */
  | { moment: string }
  | { text: string; tone: Tone | undefined }
  /** A word for programs. */
  | { code: string }
  /** In a narrow place the short text. */
  | { short: string; whole: string }
  /** The age of a view's data; on the page against its limit. */
  | { age: Aged }
  /** What only the page has room for. */
  | { onPage: Cell }
  | Cell[]

export interface Aged {
  staleMs: number | null
  asOf: string | null
  maxStaleMs: number | null
  stale: boolean
}

/** A column of the tables of a resource. `now` is the time of the answer. */
export interface Column<Row> {
  name: string
  title: string
  cell(row: Row, now: Date): Cell
  /** Numbers stand at the right. */
  number?: true
  /** What is said besides is pale. */
  pale?: true
  /** If the table is wider than the terminal, the column with the highest number is left out first; without one: never. */
  leaveOut?: number
  /** The column is cut to this width before any column is left out. */
  least?: number
}

/** What is known of one thing: a label, and what it says; null or empty: nothing. */
export type Fact = [label: string, cell: Cell]

/** At most `most` views, and how many more there are. */
export const viewsCell = (views: string[], most: number): Cell => [
  ...views.slice(0, most).flatMap((view, at): Cell[] => (at === 0 ? [{ view }] : [', ', { view }])),
  views.length > most ? ` and ${views.length - most} more` : null,
]

/** These columns but one. */
export const without = <Row>(columns: Column<Row>[], name: string): Column<Row>[] =>
  columns.filter((column) => column.name !== name)

/** Whether a cell says nothing. */
export const isEmpty = (cell: Cell): boolean =>
  Array.isArray(cell) ? cell.every(isEmpty) : cell === null || cell === ''
