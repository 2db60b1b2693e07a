import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { type AnyState, type Filter, filterNames, wordsOfState } from '../../../src/plan/diagnosis/state.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { NameSearch } from '../parts/name-search.tsx'
import { signOfRun } from '../words/sign.ts'
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
          const n = state === '' ? views.length : counts[state as Filter]
          const { word, tone } = wordsOfFilter(state)
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

/** How a filter is called and coloured: as the state that it is named after. */
function wordsOfFilter(filter: string): { word: string; tone: string } {
  if (filter === '') return { word: 'all', tone: 'none' }
  return filter === 'running' ? signOfRun('running') : wordsOfState(filter as AnyState)
}
