import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { hashOf, type Place } from '../address/address.ts'
import { cancelRun, retryRun, startBatch } from '../live/actions.ts'
import { useGet } from '../live/use-live.ts'
import { Button } from '../parts/button.tsx'
import { Facts } from '../parts/facts.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge } from '../parts/mark.tsx'
import { Sql } from '../parts/sql.tsx'
import { ViewLink } from '../parts/view-link.tsx'
import { Moment } from '../parts/when.tsx'
import { isOpen, signOfRun } from '../words/sign.ts'
import { Checks } from './checks.tsx'
import { Progress } from './progress.tsx'
import { RunError } from './run-error.tsx'
import { rowsOf } from './run-words.ts'

/** `#/runs/<id>`: one run, what it did, and why it failed. */
export function RunPage({ place: { subject } }: { place: Place }) {
  const live = useGet<Run>(`/runs/${encodeURIComponent(subject)}`, ({ status }) => isOpen(status))
  return (
    <>
      <div class="head">
        <div>
          <Heading title={`Run ${subject}`} />
          {live.data && (
            <p class="badges">
              <Badge sign={signOfRun(live.data.status)} />
              <span>
                {live.data.operation} of <ViewLink view={live.data.view} />
              </span>
            </p>
          )}
        </div>
        {live.data && isOpen(live.data.status) && (
          <Button kind="danger" does={() => cancelRun(live.data!.id)}>
            Cancel the run
          </Button>
        )}
        {live.data && isRetryable(live.data) && <Retry run={live.data} />}
      </div>
      <Loading live={live}>{(run) => <OneRun run={run} />}</Loading>
    </>
  )
}

/** A drop is not for a button. A migration or `put-back` asks for what the API does not take: it is repeated itself. */
const isRetryable = ({ status, operation, result }: Run) =>
  (status === 'failed' || status === 'canceled') && operation !== 'drop' && 'view' in result.request

const Retry = ({ run }: { run: Run }) => (
  <div class="buttons">
    {run.operation === 'refresh' && (
      <Button does={() => startBatch({ views: [run.view], descendants: true })}>
        Retry, and refresh what reads it
      </Button>
    )}
    <Button kind="main" shortcut="r" does={() => retryRun(run)}>
      Retry
    </Button>
  </div>
)

const OneRun = ({ run }: { run: Run }) => (
  <>
    {run.progress && <Progress progress={run.progress} />}
    {run.error && <RunError error={run.error} operation={run.operation} />}
    <RunFacts run={run} />
    {run.result.response.sql && (
      <section aria-labelledby="sql">
        <h2 id="sql">SQL</h2>
        <Sql
          text={run.result.response.sql.map((text) => `${text.replace(/;\s*$/, '')};`).join('\n\n')}
          of="the run"
        />
      </section>
    )}
  </>
)

function RunFacts({ run }: { run: Run }) {
  const { strategy, because, attempts, lockedMs, group } = run.result.response
  return (
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <Facts
        facts={{
          Strategy: strategy && (
            <>
              {strategy} <span class="pale">{because}</span>
            </>
          ),
          Because: !strategy && because,
          Duration: run.durationMs !== null && duration(run.durationMs),
          Readers: lockedMs !== undefined && `locked out for ${duration(lockedMs)}`,
          Rows: rowsOf(run),
          Checks: run.checks && <Checks of={run} />,
          Asked: <Moment at={run.requestedAt} />,
          'Not before': run.notBefore && <Moment at={run.notBefore} />,
          Started: run.startedAt && <Moment at={run.startedAt} />,
          Ended: run.finishedAt && <Moment at={run.finishedAt} />,
          'Asked by': `${run.requestedBy} (${run.trigger})`,
          Batch: run.batchId && (
            <>
              <a href={hashOf('batch', run.batchId)}>{run.batchId}</a>
              {run.attempt > 1 && `, attempt ${run.attempt}`}
            </>
          ),
          'Tries to get the locks': attempts,
          'Together with': group && (
            <ul class="neighbours">
              {group.map(({ view, runId }) => (
                <li key={view}>
                  <ViewLink view={view} /> <a href={hashOf('run', runId)}>run {runId}</a>
                </li>
              ))}
            </ul>
          ),
        }}
      />
    </section>
  )
}
