import { useState } from 'preact/hooks'
import type { View, ViewList } from '../../../src/api/answers.ts'
import { count } from '../../../src/sql/words.ts'
import { savedText } from '../../../src/watch/plan/saved.ts'
import type { Place } from '../address/address.ts'
import { useViews } from '../live/views.ts'
import { useGrowing } from '../parts/growing.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { EveryView } from './every-view.tsx'
import { FilterBar } from './filter-bar.tsx'
import { select } from './select.ts'
import { SelectionBar } from './selection-bar.tsx'
import { AllPaused, Loud, Standbys } from './strips.tsx'
import { ViewTable } from './view-table.tsx'

/** `#/`: every view, with its age against its limit, its last run and its next. */
export function ViewsPage({ place }: { place: Place }) {
  return <Loading live={useViews()}>{(list) => <Views list={list} query={place.query} />}</Loading>
}

function Views({
  list: { views, paused, replicas, failing, silence },
  query,
}: {
  list: ViewList
  query: Place['query']
}) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const selected = select(views, query)
  const { shown, more } = useGrowing(selected, 'views')
  const saved = savedText(views)
  const choose = (of: View[], on: boolean) => {
    const next = new Set(chosen)
    for (const { view } of of) on ? next.add(view) : next.delete(view)
    setChosen(next)
  }
  return (
    <>
      {paused && <AllPaused paused={paused} />}
      <Loud failing={failing} silence={silence} />
      {replicas && <Standbys replicas={replicas} />}
      <div class="head">
        <Heading title="Views">
          Views <span class="count">{views.length.toLocaleString('en')}</span>
        </Heading>
        <EveryView paused={paused !== null} count={views.length} />
      </div>
      <FilterBar views={views} query={query} />
      <p class="unseen" role="status">
        {count(selected.length, 'view')}
      </p>
      {selected.length === 0 ? (
        <p class="empty">
          {views.length === 0 ? 'The database has no materialized view yet.' : 'No view is like that.'}
        </p>
      ) : (
        <ViewTable views={shown} all={selected} chosen={chosen} choose={choose} />
      )}
      {more}
      {saved && <p class="pale">Saved: {saved}</p>}
      <SelectionBar
        chosen={views.filter(({ view }) => chosen.has(view))}
        clear={() => setChosen(new Set())}
      />
    </>
  )
}
