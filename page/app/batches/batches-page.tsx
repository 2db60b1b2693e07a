import { hashOf, type Place } from '../address/address.ts'
import { withQuery } from '../api/paths.ts'
import { useBatches } from '../live/batches.ts'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { BatchTable } from './batch-table.tsx'

/** `#/batches`: the batches, newest first. */
export function BatchesPage({ place: { query } }: { place: Place }) {
  return (
    <>
      <div class="head">
        <Heading title="Batches" />
      </div>
      <Loading live={useBatches(withQuery('/batches', { cursor: query.before, limit: 50 }))}>
        {({ batches, next }) => (
          <>
            {batches.length === 0 ? (
              <p class="empty">
                No batch is on record. Refresh all, or several views, on the page of the views.
              </p>
            ) : (
              <BatchTable batches={batches} />
            )}
            {next && (
              <a class="more" href={hashOf('batches', '', { before: next })}>
                Older batches
              </a>
            )}
          </>
        )}
      </Loading>
    </>
  )
}
