import type { ActionList } from '../../../src/edge/http/schemas/answers.ts'
import { hashOf, type Place } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'
import { useGet } from '../live/use-live.ts'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { ActionTable } from './action-table.tsx'

/** `#/actions`: what people did by hand, newest first, of everything or of one view. */
export function ActionsPage({ place: { query } }: { place: Place }) {
  const { view, before } = query
  const path = withQuery('/actions', { view, cursor: before, limit: 50 })
  const live = useGet<ActionList>(path)
  return (
    <>
      <div class="head">
        <Heading title={view ? `Actions on ${view}` : 'Actions'} />
      </div>
      <Loading live={live}>
        {({ actions, next }) => (
          <>
            {actions.length === 0 ? (
              <p class="empty">
                Nobody has paused, canceled, forced, dropped or retried anything. What programs and people
                only refresh stands under the runs.
              </p>
            ) : (
              <ActionTable actions={actions} />
            )}
            {next && (
              <a class="more" href={hashOf('actions', '', { view, before: next })}>
                Older actions
              </a>
            )}
          </>
        )}
      </Loading>
    </>
  )
}
