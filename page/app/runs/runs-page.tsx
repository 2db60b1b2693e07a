import { useMemo } from 'preact/hooks'
import type { RunList as Runs } from '../../../src/api/answers.ts'
import { isOpen } from '../../../src/resources/sign.ts'
import { hashOf, type Place } from '../address/address.ts'
import { useGet } from '../live/use-live.ts'
import { Heading } from '../parts/heading.tsx'
import { Listed } from '../parts/listed.tsx'
import { Loading } from '../parts/loading.tsx'
import { DayGrid } from './day-grid.tsx'
import { RunFilters } from './run-filters.tsx'
import { runsPath } from './run-query.ts'
import { RunTable } from './run-table.tsx'

/** `#/runs`: the runs of every view, as a list that the address narrows, or as a grid of days. */
export const RunsPage = ({ place: { query } }: { place: Place }) => (
  <>
    <div class="head">
      <Heading title="Runs" />
    </div>
    <nav class="tabs" aria-label="The runs as">
      <a href={hashOf('runs')} aria-current={query.as ? undefined : 'true'}>
        list
      </a>
      <a href={hashOf('runs', '', { as: 'days' })} aria-current={query.as === 'days' ? 'true' : undefined}>
        days
      </a>
    </nav>
    {query.as === 'days' ? <DayGrid query={query} /> : <RunList query={query} />}
  </>
)

const none = 'No run is like that.'

/** The runs that fit the address, newest first. */
function RunList({ query }: { query: Place['query'] }) {
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
              {runs.length === 0 ? none : `${runs.length} runs`}
            </p>
            <Listed none={none} noun="runs" older={next && hashOf('runs', '', { ...query, before: next })}>
              {runs.length > 0 && <RunTable runs={runs} withViews />}
            </Listed>
          </>
        )}
      </Loading>
    </>
  )
}
