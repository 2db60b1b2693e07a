import type { Batch, BatchDetails, BatchView } from '../../src/api/answers.ts'
import { type Api, ask, readBatch } from '../../src/api/ask.ts'
import { askedFor, batchColumns, countStatuses } from '../../src/resources/batches.ts'
import { isOpen, signOfRun } from '../../src/resources/sign.ts'
import { count, duration, elapsed } from '../../src/sql/words.ts'
import { hrefOf, type Query } from '../address.ts'
import { Badge, Bar, Deed, Legend, Listed, Moment, Table, Told } from '../cells.tsx'
import { Failure, Head, type Shown } from '../frame.tsx'
import { Graph } from '../pictures/graph.tsx'
import { Timeline } from '../pictures/timeline.tsx'

/** `/page/batches`: the batches, newest first. The bars compare their lengths. */
export async function batchesPage(api: Api, { query }: { query: Query }): Promise<Shown> {
  const { batches, next } = await ask(api, 'listBatches', { query: { cursor: query.before, limit: 50 } })
  const longest = Math.max(1, ...batches.map(({ elapsedMs }) => elapsedMs ?? 0))
  const took = ({ elapsedMs, status }: Batch) =>
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
              ...['id', 'status', 'asked', 'result', 'time', 'by'],
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
  { subject, query }: { subject: string; query: Query },
): Promise<Shown> {
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
        {error && <Failure title={error.class} text={error.message} />}
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

const isUnrefreshed = ({ status }: BatchView) => status === 'failed' || status === 'canceled'

/** ` · 12 s · about 4 s left` */
function lengthOf({ elapsedMs, finishedAt, estimatedRestMs }: BatchDetails): string {
  const took = elapsedMs === null ? '' : ` · ${finishedAt ? duration(elapsedMs) : elapsed(elapsedMs)}`
  if (estimatedRestMs === null) return took
  return `${took} · ${estimatedRestMs > 0 ? `about ${duration(estimatedRestMs)} left` : 'takes longer than usual'}`
}

/** How a view of a batch is shown in a picture. */
export function inBatch({ view, dependsOn, status, runs }: BatchView) {
  const elapsedMs = runs.at(-1)?.elapsedMs
  return { view, dependsOn, sign: signOfRun(status), note: elapsedMs == null ? '' : duration(elapsedMs) }
}
