import type { Action, ActionList } from '../../../src/api/answers.ts'
import { actionColumns } from '../../../src/resources/actions.ts'
import { hashOf } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'
import { useGet } from '../live/use-live.ts'
import { Table } from '../parts/table.tsx'
import { columnsOf } from '../parts/told.tsx'

const columns = columnsOf(actionColumns, ['action', 'asked', 'with', 'by', 'run', 'time'])

/** Who did what, as a table. */
export const ActionTable = ({ actions }: { actions: Action[] }) => (
  <Table class="actions" columns={columns} rows={actions} keyOf={({ id }) => id} />
)

const few = 5

/** What was done to a view; nothing if nobody did anything. */
export function ActionsOfView({ view }: { view: string }) {
  const path = withQuery('/actions', { view, limit: few })
  const { data } = useGet<ActionList>(path)
  if (!data || data.actions.length === 0) return null
  return (
    <section aria-labelledby="actions">
      <h2 id="actions">Actions</h2>
      <ActionTable actions={data.actions} />
      {data.next && (
        <a class="more" href={hashOf('actions', '', { view })}>
          Every action
        </a>
      )}
    </section>
  )
}
