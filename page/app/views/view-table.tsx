import type { View } from '../../../src/api/answers.ts'
import { viewColumns } from '../../../src/resources/views.ts'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { Table } from '../parts/table.tsx'
import { columnsOf } from '../parts/told.tsx'

interface Options {
  views: View[]
  /** The views of the whole list, which may go on below what is drawn. */
  all: View[]
  chosen: ReadonlySet<string>
  choose: (views: View[], on: boolean) => void
}

const columns = columnsOf(viewColumns, ['view', 'state', 'age', 'run', 'rows', 'size', 'next'])

/** The views as a table. */
export function ViewTable({ views, all, chosen, choose }: Options) {
  const isChosen = ({ view }: View) => chosen.has(view)
  const pick = (label: string, those: View[]) => (
    <input
      type="checkbox"
      aria-label={label}
      checked={those.every(isChosen)}
      onChange={() => choose(those, !those.every(isChosen))}
    />
  )
  return (
    <Table
      class="views"
      columns={[
        {
          name: 'pick',
          title: pick('Choose all of these views', all),
          cell: (view) => pick(`Choose ${view.view}`, [view]),
        },
        ...columns,
        {
          name: 'refresh',
          title: <span class="unseen">Refresh</span>,
          cell: (view) => <RefreshButton view={view} label={`Refresh ${view.view}`} small />,
        },
      ]}
      rows={views}
      keyOf={({ view }) => view}
      isChosen={isChosen}
    />
  )
}
