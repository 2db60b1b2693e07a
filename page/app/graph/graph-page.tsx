import type { BatchDetails, View } from '../../../src/api/answers.ts'
import { ageText } from '../../../src/catalog/plan/state.ts'
import { isOpen, pictured } from '../../../src/resources/sign.ts'
import { hashOf, type Place } from '../address/address.ts'
import { replaceHash } from '../address/use-place.ts'
import { useBatch, useBatches } from '../live/batches.ts'
import { useViews } from '../live/views.ts'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { NameSearch } from '../parts/name-search.tsx'
import { inBatch } from './batch-graph.tsx'
import { Legend } from './legend.tsx'
import { around, connected } from './linked.ts'
import { Picture, type Pictured } from './picture.tsx'

/** `#/graph`: which view reads which, coloured by how they stand; live while a batch goes on. */
export function GraphPage({ place: { query } }: { place: Place }) {
  const open = useBatches('/batches?limit=5').data?.batches.find(({ status }) => isOpen(status))
  const batch = useBatch(open?.id ?? null).data
  return (
    <>
      <div class="head">
        <Heading title="Graph" />
        {batch && <a href={hashOf('batch', batch.id)}>Batch {batch.id} goes on</a>}
      </div>
      <Loading live={useViews()}>
        {({ views }) => <WholeGraph views={views} batch={batch} query={query} />}
      </Loading>
    </>
  )
}

interface Options {
  views: View[]
  batch: BatchDetails | undefined
  query: Place['query']
}

function WholeGraph({ views, batch, query }: Options) {
  const named = views.filter(({ view }) => view.toLowerCase().includes((query.q ?? '').toLowerCase()))
  const found = query.view ? around(views, query.view) : query.q ? named : views
  const linked = query.view || query.q ? found : connected(found)
  const shown = withBatch(linked, batch)
  const alone = found.length - linked.length
  return (
    <>
      <search class="filters">
        <NameSearch part={query.q} onPart={(q) => replaceHash(hashOf('graph', '', { q }))} />
        {query.view && (
          <span>
            around <strong>{query.view}</strong> · <a href={hashOf('graph')}>the whole graph</a>
          </span>
        )}
        <Legend signs={shown.map(({ sign }) => sign)} />
      </search>
      {shown.length === 0 ? <p class="empty">{nothing(query)}</p> : <Picture views={shown} />}
      {alone > 0 && (
        <p class="pale">
          {alone.toLocaleString('en')} {alone === 1 ? 'view reads' : 'views read'} no other and{' '}
          {alone === 1 ? 'is' : 'are'} read by none: <a href={hashOf('views')}>all views</a>
        </p>
      )}
    </>
  )
}

function nothing({ view, q }: Place['query']): string {
  if (view) return `There is no view ${view}.`
  return q ? `No view has "${q}" in its name.` : 'No view reads another one.'
}

/** Views whose turn in an open batch is now or comes are shown as the batch has them, any other as it stands. */
function withBatch(views: View[], batch: BatchDetails | undefined): Pictured[] {
  const inOpenBatch = new Map(batch?.views.map((view) => [view.view, view]))
  return views.map((view) => {
    const part = batch && isOpen(batch.status) ? inOpenBatch.get(view.view) : undefined
    const sign = pictured(view, part?.status)
    const note =
      part && isOpen(part.status)
        ? [sign.word === part.status ? '' : part.status, inBatch(part).note].filter(Boolean).join(' ')
        : view.staleMs === null
          ? ''
          : `age ${ageText(view)}`
    return { view: view.view, dependsOn: view.dependsOn, sign, note }
  })
}
