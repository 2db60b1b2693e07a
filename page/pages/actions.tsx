import type { FC } from 'hono/jsx'
import type { Action } from '../../src/api/answers.ts'
import { type Api, ask } from '../../src/api/ask.ts'
import { actionColumns } from '../../src/resources/runs.ts'
import { hrefOf, type Query } from '../address.ts'
import { Listed, Table } from '../cells.tsx'
import { Head, type Shown } from '../frame.tsx'

const none =
  'Nobody has paused, canceled, forced, dropped or retried anything. Refreshes stand under the runs.'

/** `/page/actions`: who did what, newest first, of everything or of one view. */
export async function actionsPage(api: Api, { query: { view, before } }: { query: Query }): Promise<Shown> {
  const { actions, next } = await ask(api, 'listActions', { query: { view, cursor: before, limit: 50 } })
  const title = view ? `Actions on ${view}` : 'Actions'
  return {
    title,
    main: (
      <>
        <Head title={title} />
        <Listed
          none={none}
          noun="actions"
          empty={actions.length === 0}
          older={next && hrefOf('actions', '', { view, before: next })}
        >
          <ActionTable actions={actions} />
        </Listed>
      </>
    ),
  }
}

/** Who did what, as a table. */
export const ActionTable: FC<{ actions: Action[] }> = ({ actions }) => (
  <Table
    of="actions"
    described={actionColumns}
    columns={['action', 'asked', 'with', 'by', 'run', 'time']}
    rows={actions}
    keyOf={({ id }) => id}
  />
)
