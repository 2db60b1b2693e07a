import type { RunList } from '../../../src/edge/http/schemas/answers.ts'
import { hashOf, type Place } from '../address/address.ts'
import { get } from '../api/client.ts'
import { withQuery } from '../api/paths.ts'
import { useLive } from '../live/use-live.ts'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { isOpen } from '../words/sign.ts'
import { RunTable } from './run-table.tsx'

const statuses = ['', 'running', 'failed', 'success', 'skipped', 'canceled'] as const

/** `#/runs`: the last runs of every view. The address may narrow them to a status, and go to older ones. */
export function RunsPage({ place: { query } }: { place: Place }) {
  const status = query.status ?? ''
  const path = withQuery('/runs', { status, cursor: query.before, limit: 100 })
  const live = useLive(
    path,
    (signal) => get<RunList>(path, signal),
    ({ runs }) => runs.some((run) => isOpen(run.status)),
  )
  return (
    <>
      <div class="head">
        <Heading title="Runs" />
      </div>
      <nav class="filters" aria-label="Runs by status">
        <ul class="chips">
          {statuses.map((each) => (
            <li key={each}>
              <a
                class={`chip chip-${each}`}
                href={hashOf('runs', '', { status: each })}
                aria-current={each === status ? 'true' : undefined}
              >
                {each || 'all'}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Loading live={live}>
        {({ runs, next }) => (
          <>
            {runs.length === 0 ? (
              <p class="empty">No run is like that.</p>
            ) : (
              <RunTable runs={runs} withViews />
            )}
            {next && (
              <a class="more" href={hashOf('runs', '', { status, before: next })}>
                Older runs
              </a>
            )}
          </>
        )}
      </Loading>
    </>
  )
}
