import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { Badge } from '../parts/mark.tsx'
import { type Column, orDash, Table } from '../parts/table.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { When } from '../parts/when.tsx'
import { signOfRun } from '../words/sign.ts'
import { rowsOf } from './run-words.ts'

const columns: Column<Run>[] = [
  { name: 'id', title: 'Run', names: true, cell: ({ id }) => <a href={hashOf('run', id)}>{id}</a> },
  { name: 'status', title: 'Status', cell: ({ status }) => <Badge sign={signOfRun(status)} /> },
  { name: 'view', title: 'View', cell: ({ view }) => <ViewLink view={view} /> },
  { name: 'time', title: 'Asked', cell: ({ requestedAt }) => <When at={requestedAt} /> },
  {
    name: 'duration',
    title: 'Duration',
    number: true,
    cell: ({ durationMs }) => orDash(durationMs !== null && duration(durationMs)),
  },
  { name: 'rows', title: 'Rows', number: true, cell: (run) => orDash(rowsOf(run)) },
  {
    name: 'by',
    title: 'By',
    class: 'pale',
    cell: ({ batchId, trigger, attempt }) => (
      <>
        {batchId ? <a href={hashOf('batch', batchId)}>batch</a> : trigger}
        {attempt > 1 && `, attempt ${attempt}`}
      </>
    ),
  },
  { name: 'result', title: 'What came of it', cell: (run) => <Outcome run={run} /> },
]

/** Runs as a table; with their views, if they are runs of several. */
export const RunTable = ({ runs, withViews = false }: { runs: Run[]; withViews?: boolean }) => (
  <Table
    class={`runs ${withViews ? 'with-views' : ''}`}
    columns={columns.filter(({ name }) => withViews || name !== 'view')}
    rows={runs}
    keyOf={({ id }) => id}
  />
)

function Outcome({ run: { error, operation, result } }: { run: Run }) {
  if (error)
    return (
      <>
        <b class="code">{error.class}</b> {error.message}
      </>
    )
  const { strategy, because } = result.response
  return (
    <span class="pale" title={because}>
      {operation !== 'refresh' && `${operation} `}
      {strategy ?? because}
    </span>
  )
}
