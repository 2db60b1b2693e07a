import type { BatchDetails, View } from '../../src/api/answers.ts'
import { type Api, ask, readBatch, readViews } from '../../src/api/ask.ts'
import { ageText } from '../../src/catalog/plan/state.ts'
import { isOpen, pictured } from '../../src/resources/sign.ts'
import { reached } from '../../src/sql/walks.ts'
import { hrefOf, type Query } from '../address.ts'
import { Filters, Legend, NameSearch } from '../cells.tsx'
import { Head, type Shown } from '../frame.tsx'
import { Graph, type Pictured } from '../pictures/graph.tsx'
import { inBatch } from './batches.tsx'

/** `/page/graph`: which view reads which, coloured by how they stand; with the batch that goes on. */
export async function graphPage(api: Api, { query }: { query: Query }): Promise<Shown> {
  const [{ views }, { batches }] = await Promise.all([
    readViews(api),
    ask(api, 'listBatches', { query: { limit: 5 } }),
  ])
  const open = batches.find(({ status }) => isOpen(status))
  const batch = open && (await readBatch(api, open.id))
  const found = query.view ? around(views, query.view) : views.filter(isNamed(query.q))
  const linked = query.view || query.q ? found : connected(found)
  const shown = withBatch(linked, batch)
  const alone = found.length - linked.length
  return {
    title: 'Graph',
    busy: open !== undefined,
    main: (
      <>
        <Head title="Graph">{batch && <a href={hrefOf('batch', batch.id)}>Batch {batch.id} goes on</a>}</Head>
        <Filters action="page/graph" kept={{}}>
          <NameSearch part={query.q} />
          {query.view && (
            <span>
              around <strong>{query.view}</strong> · <a href={hrefOf('graph')}>the whole graph</a>
            </span>
          )}
          <Legend signs={shown.map(({ sign }) => sign)} />
        </Filters>
        {shown.length === 0 ? <p class="empty">{nothing(query)}</p> : <Graph views={shown} />}
        {alone > 0 && (
          <p class="pale">
            {alone.toLocaleString('en')} {alone === 1 ? 'view reads' : 'views read'} no other and{' '}
            {alone === 1 ? 'is' : 'are'} read by none: <a href={hrefOf('views')}>all views</a>
          </p>
        )}
      </>
    ),
  }
}

const isNamed =
  (part = '') =>
  ({ view }: View) =>
    view.toLowerCase().includes(part.toLowerCase())

function nothing({ view, q }: Query): string {
  if (view) return `There is no view ${view}.`
  return q ? `No view has "${q}" in its name.` : 'No view reads another one.'
}

/** A view with the views that it reads. */
type Linked = Pick<View, 'view' | 'dependsOn'>

/** The view with everything that it reads and everything that reads it, through other views, too. */
export function around<View extends Linked>(views: View[], view: string): View[] {
  const reads = new Map(views.map((each) => [each.view, each.dependsOn]))
  const readBy = new Map<string, string[]>()
  for (const each of views)
    for (const parent of each.dependsOn) readBy.set(parent, [...(readBy.get(parent) ?? []), each.view])
  const above = reached([view], (each) => reads.get(each) ?? [])
  const below = reached([view], (each) => readBy.get(each) ?? [])
  return views.filter((each) => above.has(each.view) || below.has(each.view))
}

/** The views that read others of the list or are read by them. */
export function connected<View extends Linked>(views: View[]): View[] {
  const known = new Set(views.map(({ view }) => view))
  const linked = new Set(
    views.flatMap(({ view, dependsOn }) => {
      const parents = dependsOn.filter((parent) => known.has(parent))
      return parents.length > 0 ? [view, ...parents] : []
    }),
  )
  return views.filter(({ view }) => linked.has(view))
}

/** Views whose turn in an open batch is now or comes are shown as the batch has them, any other as it stands. */
function withBatch(views: View[], batch: BatchDetails | undefined): Pictured[] {
  const inOpenBatch = new Map(batch?.views.map((view) => [view.view, view]))
  return views.map((view) => {
    const part = inOpenBatch.get(view.view)
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
