import type { Saved } from '../../src/plan/monitoring/saved.ts'
import { duration } from '../../src/plan/words.ts'
import type { Column } from './table.ts'

/** The column of the refreshes that were left out, and their time. An older version does not say it. */
export const savedColumn = <Row extends Saved>(leaveOut: number): Column<Row> => ({
  title: 'SAVED',
  cell: ({ leftOut, savedMs }) =>
    !leftOut ? '' : `${leftOut}${savedMs === null ? '' : ` (${duration(savedMs)})`}`,
  right: true,
  leaveOut,
})
