import { hashOf, type Place } from '../address/address.ts'
import { Heading } from '../parts/heading.tsx'
import { DayGrid } from './day-grid.tsx'
import { RunList } from './run-list.tsx'

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
