import type { BatchDetails, BatchView } from '../../../src/api/answers.ts'
import { askedFor, countStatuses } from '../../../src/resources/batches.ts'
import { isOpen, signOfRun } from '../../../src/resources/sign.ts'
import { count, duration, elapsed } from '../../../src/sql/words.ts'
import { hashOf, type Place } from '../address/address.ts'
import { BatchGraph } from '../graph/batch-graph.tsx'
import { cancelBatch, startBatch } from '../live/actions.ts'
import { useBatch } from '../live/batches.ts'
import { ask } from '../live/questions.ts'
import { Button } from '../parts/button.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge } from '../parts/mark.tsx'
import { Told } from '../parts/told.tsx'
import { Moment } from '../parts/when.tsx'
import { BatchTimeline } from './timeline.tsx'

/** `#/batches/<id>`: one batch, as a timeline or as a graph. */
export const BatchPage = ({ place: { subject, query } }: { place: Place }) => (
  <Loading live={useBatch(subject)}>{(batch) => <OneBatch batch={batch} as={query.as} />}</Loading>
)

function OneBatch({ batch, as }: { batch: BatchDetails; as: string | undefined }) {
  const cancel = async () => {
    const yes = await ask({
      title: 'Cancel the batch?',
      text: 'Runs that go on are stopped, views that wait are not refreshed. What is done stays done.',
      yes: 'Cancel the batch',
    })
    if (yes) await cancelBatch(batch.id)
  }
  return (
    <>
      <div class="head">
        <div>
          <Heading title={`Batch ${batch.id}`}>
            Batch <span class="schema">{batch.id}</span>
          </Heading>
          <p class="badges">
            <Badge sign={signOfRun(batch.status)} />
            <span>
              <Told cell={askedFor(batch)} />, asked for by {batch.trigger}, {batch.requestedBy}
            </span>
          </p>
        </div>
        {isOpen(batch.status) && (
          <Button kind="danger" does={cancel}>
            Cancel the batch
          </Button>
        )}
        {!isOpen(batch.status) && batch.views.some(isUnrefreshed) && <Retry batchId={batch.id} />}
      </div>
      {batch.error && (
        <div class="trouble">
          <strong>{batch.error.class}</strong>
          <p>{batch.error.message}</p>
        </div>
      )}
      <p class="sum">
        {countStatuses(batch.views).map(({ status, count: n }) => (
          <Badge key={status} sign={signOfRun(status)} word={`${n} ${signOfRun(status).word}`} />
        ))}
        <span class="pale">
          <Moment at={batch.startedAt ?? batch.requestedAt} />
          {batch.elapsedMs !== null &&
            ` · ${batch.finishedAt ? duration(batch.elapsedMs) : elapsed(batch.elapsedMs)}`}
          {batch.estimatedRestMs !== null &&
            (batch.estimatedRestMs > 0
              ? ` · about ${duration(batch.estimatedRestMs)} left`
              : ' · takes longer than usual')}{' '}
          · {batch.concurrency} at once
        </span>
      </p>
      <p class="unseen" role="status">
        {isOpen(batch.status) ? '' : `The batch has ended: ${batch.status}. `}
        {countStatuses(batch.views)
          .map(({ status, count: n }) => `${count(n, 'view')} ${status}`)
          .join(', ')}
      </p>
      <nav class="tabs" aria-label="The batch as">
        {['timeline', 'graph'].map((each) => (
          <a
            key={each}
            href={hashOf('batch', batch.id, each === 'graph' ? { as: 'graph' } : {})}
            aria-current={(as ?? 'timeline') === each ? 'true' : undefined}
          >
            {each}
          </a>
        ))}
      </nav>
      {as === 'graph' ? <BatchGraph batch={batch} /> : <BatchTimeline batch={batch} />}
    </>
  )
}

const isUnrefreshed = ({ status }: BatchView) => status === 'failed' || status === 'canceled'

const Retry = ({ batchId }: { batchId: string }) => (
  <div class="buttons">
    <Button does={() => startBatch({ retryOf: batchId, descendants: true })}>
      Retry what failed and what reads it
    </Button>
    <Button kind="main" shortcut="r" does={() => startBatch({ retryOf: batchId })}>
      Retry what failed
    </Button>
  </div>
)
