import type { ActionList } from '../../../src/api/answers.ts'
import { hashOf, type Place } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'
import { useGet } from '../live/use-live.ts'
import { Heading } from '../parts/heading.tsx'
import { Listed } from '../parts/listed.tsx'
import { Loading } from '../parts/loading.tsx'
import { ActionTable } from './actions-of-view.tsx'

const none =
  'Nobody has paused, canceled, forced, dropped or retried anything. Refreshes stand under the runs.'

/** `#/actions`: who did what, newest first, of everything or of one view. */
export function ActionsPage({ place: { query } }: { place: Place }) {
  const { view, before } = query
  const live = useGet<ActionList>(withQuery('/actions', { view, cursor: before, limit: 50 }))
  return (
    <>
      <div class="head">
        <Heading title={view ? `Actions on ${view}` : 'Actions'} />
      </div>
      <Loading live={live}>
        {({ actions, next }) => (
          <Listed none={none} noun="actions" older={next && hashOf('actions', '', { view, before: next })}>
            {actions.length > 0 && <ActionTable actions={actions} />}
          </Listed>
        )}
      </Loading>
    </>
  )
}
