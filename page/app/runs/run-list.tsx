import { useMemo } from 'preact/hooks'
import type { RunList as Runs } from '../../../src/edge/http/schemas/answers.ts'
import { hashOf, type Place } from '../address/address.ts'
import { useGet } from '../live/use-live.ts'
import { Loading } from '../parts/loading.tsx'
import { isOpen } from '../words/sign.ts'
import { RunFilters } from './run-filters.tsx'
import { runsPath } from './run-query.ts'
import { RunTable } from './run-table.tsx'

/** The runs that fit the address, newest first. */
export function RunList({ query }: { query: Place['query'] }) {
  const { view, q, status, since, day, before } = query
  const path = useMemo(() => runsPath(query, Date.now()), [view, q, status, since, day, before])
  const live = useGet<Runs>(path, ({ runs }) => runs.some((run) => isOpen(run.status)))
  return (
    <>
      <RunFilters query={query} />
      <Loading live={live}>
        {({ runs, next }) => (
          <>
            <p class="unseen" role="status">
              {runs.length === 0 ? 'No run is like that.' : `${runs.length} runs`}
            </p>
            {runs.length === 0 ? (
              <p class="empty">No run is like that.</p>
            ) : (
              <RunTable runs={runs} withViews />
            )}
            {next && (
              <a class="more" href={hashOf('runs', '', { ...query, before: next })}>
                Older runs
              </a>
            )}
          </>
        )}
      </Loading>
    </>
  )
}
