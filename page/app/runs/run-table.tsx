import type { Run } from '../../../src/api/answers.ts'
import { runColumns } from '../../../src/resources/runs.ts'
import { Table } from '../parts/table.tsx'
import { columnsOf } from '../parts/told.tsx'

const columns = columnsOf(runColumns, ['id', 'status', 'view', 'time', 'duration', 'rows', 'by', 'result'])

/** Runs as a table; with their views, if they are runs of several. */
export const RunTable = ({ runs, withViews = false }: { runs: Run[]; withViews?: boolean }) => (
  <Table
    class={`runs ${withViews ? 'with-views' : ''}`}
    columns={columns.filter(({ name }) => withViews || name !== 'view')}
    rows={runs}
    keyOf={({ id }) => id}
  />
)
