import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { filterNames } from '../../../src/plan/diagnosis/state.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { NameSearch } from '../parts/name-search.tsx'
import { countStates, sorts } from './select.ts'

const sortWords: Record<(typeof sorts)[number], string> = {
  urgency: 'most urgent',
  name: 'name',
  age: 'oldest data',
  duration: 'longest refresh',
  rows: 'most rows',
  size: 'largest',
  next: 'next run',
}

/** Narrows the list to a state or to a part of the name, and orders it. The address says how. */
export function FilterBar({ views, query }: { views: View[]; query: Place['query'] }) {
  const counts = countStates(views)
  const to = (change: Place['query']) => hashOf('views', '', { ...query, ...change })
  return (
    <search class="filters">
      <ul class="chips">
        {['', ...filterNames].map((state) => {
          const n = state === '' ? views.length : counts[state as keyof typeof counts]
          return (
            (n > 0 || state === (query.state ?? '')) && (
              <li key={state}>
                <a
                  class={`chip chip-${state}`}
                  href={to({ state })}
                  aria-current={state === (query.state ?? '') ? 'true' : undefined}
                >
                  {state || 'all'} <b>{n}</b>
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
          {sorts.map((sort) => (
            <option key={sort} value={sort}>
              {sortWords[sort]}
            </option>
          ))}
        </select>
      </label>
    </search>
  )
}
