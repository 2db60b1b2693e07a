import type { View } from '../../../src/api/answers.ts'
import { type Filter, filterNames } from '../../../src/catalog/plan/state.ts'
import { countStates, orderWords, wordsOfFilter } from '../../../src/resources/views.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { NameSearch } from '../parts/name-search.tsx'

/** Narrows the list to a state or to a part of the name, and orders it. The address says how. */
export function FilterBar({ views, query }: { views: View[]; query: Place['query'] }) {
  const counts = countStates(views)
  const to = (change: Place['query']) => hashOf('views', '', { ...query, ...change })
  return (
    <search class="filters">
      <ul class="chips">
        {['', ...filterNames].map((state) => {
          const n = state === '' ? views.length : counts[state as Filter]
          const { word, tone } = state === '' ? { word: 'all', tone: 'none' } : wordsOfFilter(state as Filter)
          return (
            (n > 0 || state === (query.state ?? '')) && (
              <li key={state}>
                <a
                  class="chip"
                  href={to({ state })}
                  aria-current={state === (query.state ?? '') ? 'true' : undefined}
                >
                  {word} <b class={`tone-${tone}`}>{n}</b>
                </a>
              </li>
            )
          )
        })}
      </ul>
      <NameSearch part={query.q} onPart={(q) => replaceHash(to({ q }))} />
      <label class="order">
        Order{' '}
        <select
          value={query.sort ?? 'urgency'}
          onChange={({ currentTarget }) => replaceHash(to({ sort: currentTarget.value }))}
        >
          {Object.entries(orderWords).map(([order, word]) => (
            <option key={order} value={order}>
              {word}
            </option>
          ))}
        </select>
      </label>
    </search>
  )
}
