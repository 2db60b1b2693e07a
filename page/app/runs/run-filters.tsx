import type { ComponentChildren } from 'preact'
import { runStatuses } from '../../../src/catalog/plan/run.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { Name } from '../parts/name.tsx'
import { NameSearch } from '../parts/name-search.tsx'
import { sinces } from './run-query.ts'

const statuses = ['', ...runStatuses] as const
const typingMs = 300

/** Narrows the runs to a status, a part of names and a time; a view or a day that the address names can be taken away. */
export function RunFilters({ query }: { query: Place['query'] }) {
  const { before: _before, ...kept } = query
  const to = (change: Place['query']) => hashOf('runs', '', { ...kept, ...change })
  return (
    <search class="filters">
      <ul class="chips">
        {statuses.map((each) => (
          <li key={each}>
            <a
              class={`chip chip-${each}`}
              href={to({ status: each })}
              aria-current={each === (query.status ?? '') ? 'true' : undefined}
            >
              {each || 'all'}
            </a>
          </li>
        ))}
      </ul>
      {query.view ? (
        <Narrowed to="view" all={to({ view: '' })}>
          <Name view={query.view} />
        </Narrowed>
      ) : (
        <NameSearch part={query.q} onPart={(q) => replaceHash(to({ q }))} pauseMs={typingMs} />
      )}
      {query.day ? (
        <Narrowed to="day" all={to({ day: '' })}>
          {query.day}
        </Narrowed>
      ) : (
        <label class="order">
          Time{' '}
          <select
            value={query.since ?? ''}
            onChange={({ currentTarget }) => replaceHash(to({ since: currentTarget.value }))}
          >
            <option value="">any</option>
            {Object.entries(sinces).map(([since, { word }]) => (
              <option key={since} value={since}>
                {word}
              </option>
            ))}
          </select>
        </label>
      )}
    </search>
  )
}

const Narrowed = ({ to, all, children }: { to: string; all: string; children: ComponentChildren }) => (
  <span class="chip narrowed">
    {children}{' '}
    <a href={all} aria-label={`Every ${to}`}>
      ×
    </a>
  </span>
)
