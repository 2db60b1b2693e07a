import type { Batch, BatchDetails, BatchView } from '../api/answers.ts'
import { batchViewOrder } from '../catalog/plan/run.ts'
import { duration } from '../sql/words.ts'
import { type Cell, type Column, signOfRun, viewsCell } from './cell.ts'

/** The table of batches. */
export const batchColumns: Column<Batch>[] = [
  { name: 'id', title: 'Batch', cell: ({ id }) => ({ batch: id }) },
  { name: 'status', title: 'Status', cell: ({ status }) => ({ sign: signOfRun(status) }) },
  { name: 'asked', title: 'Views', cell: askedFor, least: 16, leaveOut: 2 },
  { name: 'time', title: 'When', cell: ({ requestedAt }) => ({ past: requestedAt }), leaveOut: 1 },
  {
    name: 'duration',
    title: 'Took',
    cell: ({ elapsedMs }) => (elapsedMs === null ? null : duration(elapsedMs)),
    number: true,
    leaveOut: 3,
  },
  {
    name: 'by',
    title: 'By',
    cell: ({ trigger, requestedBy }) => [trigger, { onPage: `, ${requestedBy}` }],
    pale: true,
    leaveOut: 5,
  },
  {
    name: 'result',
    title: 'Result',
    cell: ({ error }) => error && [{ code: error.class }, { onPage: ` ${error.message}` }],
    pale: true,
    leaveOut: 4,
  },
]

interface Requested {
  views?: string[]
  pattern?: string
  scheduled?: { schedule: string; timeZone: string }
  ancestors?: boolean
  descendants?: boolean
  retryOf?: string
  failed?: boolean
}

/** What a batch was asked for: `all views`, `sales and what reads them`, `views with schedule 0 3 * * * UTC`. */
export function askedFor({ request }: Pick<Batch, 'request'>): Cell {
  const { ancestors, descendants } = request as Requested
  return [
    whatOf(request as Requested),
    ancestors ? ' and what they read' : null,
    descendants ? ' and what reads them' : null,
  ]
}

function whatOf({ views, pattern, scheduled, retryOf, failed }: Requested): Cell {
  if (retryOf) return ['what batch ', { batch: retryOf }, ' did not refresh']
  if (failed) return 'what failed'
  if (views) return viewsCell(views, 3)
  if (scheduled) return `views with schedule ${scheduled.schedule} ${scheduled.timeZone}`
  return pattern?.replace(/^\*\./, '') ?? 'all views'
}

/** How many views of a batch are in each status, the most telling first: `1 failed, 2 skipped, 4 success`. */
export const countStatuses = (
  views: Pick<BatchView, 'status'>[],
): { status: BatchView['status']; count: number }[] =>
  batchViewOrder
    .map((status) => ({ status, count: views.filter((view) => view.status === status).length }))
    .filter(({ count }) => count > 0)

/** Which lock a view of a batch waits for. An older environment tells of none. */
export const lockOf = ({ locked }: BatchDetails, view: string): string | undefined =>
  locked?.find((each) => each.view === view)?.because
