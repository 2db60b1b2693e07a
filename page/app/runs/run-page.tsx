import type { Run } from '../../../src/api/answers.ts'
import { runFacts, statementsOf, timeText } from '../../../src/resources/run-facts.ts'
import { isOpen, signOfRun } from '../../../src/resources/sign.ts'
import type { Place } from '../address/address.ts'
import { cancelRun, retryRun, startBatch } from '../live/actions.ts'
import { useGet } from '../live/use-live.ts'
import { Button } from '../parts/button.tsx'
import { Heading } from '../parts/heading.tsx'
import { Loading } from '../parts/loading.tsx'
import { Badge } from '../parts/mark.tsx'
import { ViewLink } from '../parts/name.tsx'
import { Sql } from '../parts/sql.tsx'
import { Facts } from '../parts/told.tsx'
import { RunError } from './run-error.tsx'

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
    {run.progress && <Progress of={run.progress} />}
    {run.error && <RunError error={run.error} operation={run.operation} />}
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <Facts facts={runFacts(run)} />
    </section>
    {run.result.response.sql && (
      <section aria-labelledby="sql">
        <h2 id="sql">SQL</h2>
        <Sql text={statementsOf(run).join('\n\n')} of="the run" />
      </section>
    )}
  </>
)

/** How far a run is: its phase, and the time against what such a run usually takes. */
function Progress({ of: { phase, elapsedMs, estimatedMs } }: { of: NonNullable<Run['progress']> }) {
  const part = elapsedMs === null || !estimatedMs ? null : Math.min(0.97, elapsedMs / estimatedMs)
  return (
    <div class="progress">
      <p>
        <strong>{phase ?? 'running'}</strong>
        {elapsedMs !== null && ` · ${timeText(elapsedMs, estimatedMs)}`}
      </p>
      <progress aria-label="Time against the usual duration" {...(part !== null && { value: part })} />
    </div>
  )
}
