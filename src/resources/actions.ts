import type { Action } from '../api/answers.ts'
import { askedOf, optionsOf, personOf } from '../watch/plan/actions.ts'
import { type Cell, type Column, viewsCell } from './cell.ts'

/** The table of who did what. */
export const actionColumns: Column<Action>[] = [
  { name: 'time', title: 'When', cell: ({ at }) => ({ past: at }) },
  { name: 'action', title: 'Action', cell: askedOf },
  { name: 'asked', title: 'What', cell: aboutCell },
  {
    name: 'by',
    title: 'By',
    cell: ({ requestedBy }) => ({ short: personOf(requestedBy), whole: requestedBy }),
    pale: true,
    least: 16,
  },
  {
    name: 'run',
    title: 'Run',
    cell: ({ runId }) => (runId === null ? null : { run: runId }),
    number: true,
    leaveOut: 2,
  },
  { name: 'with', title: 'With', cell: optionsOf, pale: true, leaveOut: 1 },
]

/** What an action was about: `sales`, `batch 20261120-090000-1f3c9a2b`, `everything scheduled`, `no view`. */
export function aboutCell({ action, views, batchId }: Pick<Action, 'action' | 'views' | 'batchId'>): Cell {
  if (views.length === 0 && batchId === null)
    return action === 'pause' || action === 'resume' ? 'everything scheduled' : 'no view'
  const inBatch: Cell = batchId === null ? null : { batch: batchId, text: `batch ${batchId}` }
  return views.length === 0 ? inBatch : [viewsCell(views, 3), inBatch && { onPage: [', ', inBatch] }]
}
