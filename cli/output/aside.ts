import type { AsideView, InTheWay } from '../../src/set-aside/plan/items.ts'
import { bytes } from '../../src/sql/words.ts'
import { describeItem } from '../../src/trial/plan/copy.ts'
import { columnLines } from './table.ts'

/** What goes and comes back, as lines for people: in which order, why, and how big. */
export function planLines(items: InTheWay['items']): string[] {
  const rows = items.map((item, at) => [
    String(at + 1),
    describeItem(item),
    sizeOf(item),
    fate(item),
    item.reads.length === 0 ? '' : `reads ${item.reads.join(', ')}`,
  ])
  return columnLines(rows, [{ right: true }])
}

/** What is locked, and what that means for readers. */
export const lockLines = (relations: string[]): string[] => [
  `locks: access exclusive on these views and on ${relations.join(', ')}, from the drop until all is back.`,
  'Readers of any of them wait the whole time. Viewkeeper asks for the locks in tries of less than 0.5 s.',
]

const fate = (item: AsideView): string =>
  item.live.view.kind === 'view'
    ? 'made again'
    : item.populated
      ? 'made again and filled'
      : 'made again, empty as it is'

const sizeOf = (item: AsideView): string => (item.live.view.kind === 'view' ? '' : bytes(item.sizeBytes))
