import type { Action } from '../../../src/edge/http/schemas/answers.ts'
import { aboutOf, askedOf, optionsOf, personOf } from '../../../src/plan/actions.ts'
import { hashOf } from '../address/address.ts'
import { type Column, Table } from '../parts/table.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { When } from '../parts/when.tsx'

const columns: Column<Action>[] = [
  {
    name: 'view',
    title: 'Action',
    names: true,
    cell: (action) =>
      action.runId === null ? (
        askedOf(action)
      ) : (
        <a href={hashOf('run', action.runId)}>
          {askedOf(action)} <span class="pale">{action.runId}</span>
        </a>
      ),
  },
  {
    name: 'asked',
    title: 'What',
    cell: (action) => (
      <>
        <About action={action} />
        {optionsOf(action) && <small class="pale">{optionsOf(action)}</small>}
      </>
    ),
  },
  { name: 'time', title: 'When', cell: ({ at }) => <When at={at} /> },
  {
    name: 'by',
    title: 'By',
    class: 'pale',
    hint: ({ requestedBy }) => requestedBy,
    cell: ({ requestedBy }) => personOf(requestedBy),
  },
]

/** What people did by hand, as a table. */
export const ActionTable = ({ actions }: { actions: Action[] }) => (
  <Table class="actions" columns={columns} rows={actions} keyOf={({ id }) => id} />
)

function About({ action }: { action: Action }) {
  const [view, ...more] = action.views
  if (view !== undefined && more.length === 0) return <ViewLink view={view} />
  if (action.batchId === null) return <>{aboutOf(action)}</>
  return <a href={hashOf('batch', action.batchId)}>{aboutOf(action)}</a>
}
