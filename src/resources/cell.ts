import type { View } from '../api/answers.ts'
import { type AnyState, wordsOfState } from '../catalog/plan/state.ts'
import type { Tone as ViewTone } from '../words/phrases.ts'
import { type BatchViewStatus, isEnded } from '../words/run.ts'

/** How something stands: the word that people read, the colour, and the mark that says the same without colour. */
export interface Sign {
  word: string
  tone: SignTone
  mark: SignMark
}

export type SignTone = ViewTone | 'built'
export type SignMark =
  | 'check'
  | 'clock'
  | 'cross'
  | 'play'
  | 'dots'
  | 'pause'
  | 'ring'
  | 'gone'
  | 'dash'
  | 'box'

const sign = (word: string, tone: SignTone, mark: SignMark): Sign => ({ word, tone, mark })

const marks: Record<AnyState, SignMark> = {
  missing: 'gone',
  aside: 'gone',
  unpopulated: 'ring',
  failed: 'cross',
  heldBack: 'dots',
  stale: 'clock',
  paused: 'pause',
  unknown: 'clock',
  unlimited: 'dash',
  fresh: 'check',
}

/** How a state of a view is shown; one that an older or a newer version does not have, too. */
export const signOf = (state: AnyState): Sign => ({ ...wordsOfState(state), mark: marks[state] ?? 'dash' })

const ofRun: Record<BatchViewStatus, Sign> = {
  waiting: sign('waiting', 'idle', 'dots'),
  pending: sign('pending', 'idle', 'dots'),
  running: sign('running', 'busy', 'play'),
  built: sign('built', 'built', 'box'),
  success: sign('success', 'good', 'check'),
  failed: sign('failed', 'bad', 'cross'),
  canceled: sign('canceled', 'idle', 'dash'),
  skipped: sign('skipped', 'idle', 'dash'),
  pruned: sign('pruned', 'idle', 'dash'),
}

/** How the status of a run, or of a view within a batch, is shown; one that a newer version has, too. */
export const signOfRun = (status: BatchViewStatus): Sign => ofRun[status] ?? sign(status, 'idle', 'dash')

/** Whether a run or a batch of this status goes on. */
export const isOpen = (status: BatchViewStatus): boolean =>
  status === 'waiting' || (status !== 'pruned' && !isEnded(status))

/** Whether a sign says that somebody has to look. */
export const isUnwell = ({ tone }: Sign): boolean => tone === 'bad' || tone === 'warn'

/**
 * The one sign of a view in a picture: that it is being refreshed, or else how it stands. A view that only waits for its turn shows that
 * if it is well. `status` is that of its last run, or of the view in the batch that goes on.
 */
export function pictured(
  { state, lastRun }: View,
  status: BatchViewStatus | undefined = lastRun?.status,
): Sign {
  const stands = signOf(state)
  if (status === undefined || !isOpen(status)) return stands
  const waits = status === 'waiting' || status === 'pending'
  return waits && isUnwell(stands) ? stands : signOfRun(status)
}

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
  | { text: string; tone: SignTone | undefined }
  /** A word for programs, which the terminal prints; the page has a sentence in its place. */
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

/** Whether a cell says nothing; so does a field that the answer of an older version lacks. */
export const isEmpty = (cell: Cell | undefined): boolean =>
  Array.isArray(cell) ? cell.every(isEmpty) : cell == null || cell === ''
