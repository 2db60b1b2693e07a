import type { BatchDetails, ToldBatch, ToldBatchView, View } from '../../src/api/answers.ts'
import { type Api, ask, readBatch, readViews } from '../../src/api/ask.ts'
import { ageText } from '../../src/catalog/plan/state.ts'
import { isOpen, isUnwell, pictured, signOf, signOfRun } from '../../src/resources/cell.ts'
import { askedFor, batchColumns, countStatuses } from '../../src/resources/run-facts.ts'
import { reached } from '../../src/sql/walks.ts'
import { count, duration, elapsed } from '../../src/words/phrases.ts'
import { hrefOf, type PageQuery } from '../address.ts'
import { Badge, Bar, Deed, Filters, Legend, Listed, Moment, NameSearch, Table, Told } from '../cells.tsx'
import { Failure, Head, type ShownPage } from '../frame.tsx'
import { Graph, type Pictured } from '../pictures/graph.tsx'
import { Timeline } from '../pictures/timeline.tsx'

/** `/page/graph`: which view reads which, coloured by how they stand; with the batch that goes on. */
export async function graphPage(api: Api, { query }: { query: PageQuery }): Promise<ShownPage> {
  const [{ views }, { batches }] = await Promise.all([
    readViews(api),
    ask(api, 'listBatches', { query: { limit: 5 } }),
  ])
  const open = batches.find(({ status }) => isOpen(status))
  const batch = open && (await readBatch(api, open.id))
  const found = query.view ? around(views, query.view) : views.filter(isNamed(query.q))
  const inGraph = new Set(query.view || query.q ? found : connected(found))
  // A view without neighbours is shown, too, if somebody has to look at it.
  const linked = found.filter((view) => inGraph.has(view) || isUnwell(signOf(view.state)))
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

function nothing({ view, q }: PageQuery): string {
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

/** `/page/batches`: the batches, newest first. The bars compare their lengths. */
export async function batchesPage(api: Api, { query }: { query: PageQuery }): Promise<ShownPage> {
  const { batches, next } = await ask(api, 'listBatches', { query: { cursor: query.before, limit: 50 } })
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  const took = ({ elapsedMs, status }: ToldBatch) =>
    elapsedMs === null ? (
      <span class="none">–</span>
    ) : (
      <>
        {duration(elapsedMs)}
        <Bar part={elapsedMs / longest} tone={signOfRun(status).tone} />
      </>
    )
  return {
    title: 'Batches',
    busy: batches.some(({ status }) => isOpen(status)),
    main: (
      <>
        <Head title="Batches" />
        <Listed
          none="No batch is on record. Refresh all, or several views, on the page of the views."
          noun="batches"
          empty={batches.length === 0}
          older={next && hrefOf('batches', '', { before: next })}
        >
          <Table
            of="batches"
            described={batchColumns}
            columns={[
              ...[
                'id',
                'status',
                'asked',
                ...(batches.some(({ error }) => error) ? ['result'] : []),
                'time',
                'by',
              ],
              { name: 'duration', title: 'Took', cell: took },
            ]}
            rows={batches}
            keyOf={({ id }) => id}
          />
        </Listed>
      </>
    ),
  }
}

/** `/page/batches/<id>`: one batch, as a timeline or as a graph. */
export async function batchPage(
  api: Api,
  { subject, query }: { subject: string; query: PageQuery },
): Promise<ShownPage> {
  const batch = await readBatch(api, subject)
  const { id, status, error, views } = batch
  return {
    title: `Batch ${id}`,
    busy: isOpen(status),
    main: (
      <>
        <Head
          title={
            <>
              Batch <span class="schema">{id}</span>
            </>
          }
          beside={
            <p class="badges">
              <Badge sign={signOfRun(status)} />
              <span>
                <Told cell={askedFor(batch)} />, asked for by {batch.trigger}, {batch.requestedBy}
              </span>
            </p>
          }
        >
          <div class="buttons">
            {isOpen(status) && (
              <Deed does="cancel-batch" fields={{ id }} kind="danger">
                Cancel the batch
              </Deed>
            )}
            {!isOpen(status) && views.some(isUnrefreshed) && (
              <>
                <Deed does="retry-batch" fields={{ id, descendants: true }}>
                  Retry what failed and what reads it
                </Deed>
                <Deed does="retry-batch" fields={{ id }} kind="main" shortcut="r">
                  Retry what failed
                </Deed>
              </>
            )}
          </div>
        </Head>
        {error && <Failure title={error.message} code={error.class} />}
        <p class="sum">
          {countStatuses(views).map(({ status, count: n }) => (
            <Badge sign={signOfRun(status)} word={`${n} ${signOfRun(status).word}`} />
          ))}
          <span class="pale">
            <Moment at={batch.startedAt ?? batch.requestedAt} />
            {lengthOf(batch)} · {batch.concurrency} at once
          </span>
        </p>
        <p class="unseen" role="status">
          {isOpen(status) ? '' : `The batch has ended: ${status}. `}
          {countStatuses(views)
            .map(({ status, count: n }) => `${count(n, 'view')} ${status}`)
            .join(', ')}
        </p>
        <nav class="tabs" aria-label="The batch as">
          {(['timeline', 'graph'] as const).map((each) => (
            <a
              href={hrefOf('batch', id, each === 'graph' ? { as: 'graph' } : {})}
              aria-current={(query.as ?? 'timeline') === each ? 'true' : undefined}
            >
              {each}
            </a>
          ))}
        </nav>
        {query.as === 'graph' ? (
          <>
            <Legend signs={views.map((view) => signOfRun(view.status))} />
            <Graph views={views.map(inBatch)} />
          </>
        ) : (
          <Timeline batch={batch} rows={query.rows} />
        )}
      </>
    ),
  }
}

const isUnrefreshed = ({ status }: ToldBatchView) => status === 'failed' || status === 'canceled'

/** ` · 12 s · about 4 s left` */
function lengthOf({ elapsedMs, finishedAt, estimatedRestMs }: BatchDetails): string {
  const took = elapsedMs === null ? '' : ` · ${finishedAt ? duration(elapsedMs) : elapsed(elapsedMs)}`
  if (estimatedRestMs === null) return took
  return `${took} · ${estimatedRestMs > 0 ? `about ${duration(estimatedRestMs)} left` : 'takes longer than usual'}`
}

/** How a view of a batch is shown in a picture. */
function inBatch({ view, dependsOn, status, runs }: ToldBatchView) {
  const elapsedMs = runs.at(-1)?.elapsedMs
  return { view, dependsOn, sign: signOfRun(status), note: elapsedMs == null ? '' : duration(elapsedMs) }
}
