import type { FC } from 'hono/jsx'
import type { Run } from '../../src/api/answers.ts'
import { type Api, readRun } from '../../src/api/ask.ts'
import { runFacts, statementsOf, timeText } from '../../src/resources/runs.ts'
import { isOpen, signOfRun } from '../../src/resources/sign.ts'
import { aimed, type CommandTarget, command } from '../../src/sql/commands.ts'
import { runbookOf } from '../../src/sql/runbook.ts'
import { hrefOf } from '../address.ts'
import { Badge, Command, Deed, Facts, Sql, ViewLink } from '../cells.tsx'
import { Head, type Shown } from '../frame.tsx'

interface Asked {
  subject: string
  /** How commands name the API. */
  typed: CommandTarget
}

/** `/page/runs/<id>`: one run, what it did, and why it failed. */
export async function runPage(api: Api, { subject, typed }: Asked): Promise<Shown> {
  const run = await readRun(api, subject)
  const { id, status, operation, view, progress, error, result } = run
  return {
    title: `Run ${id}`,
    busy: isOpen(status),
    main: (
      <>
        <Head
          title={`Run ${id}`}
          beside={
            <p class="badges">
              <Badge sign={signOfRun(status)} />
              <span>
                {operation} of <ViewLink view={view} />
              </span>
            </p>
          }
        >
          <div class="buttons">
            {isOpen(status) && (
              <Deed does="cancel-run" fields={{ id }} kind="danger">
                Cancel the run
              </Deed>
            )}
            {isRetryable(run) && operation === 'refresh' && (
              <Deed does="retry-run" fields={{ id, descendants: true }}>
                Retry, and refresh what reads it
              </Deed>
            )}
            {isRetryable(run) && (
              <Deed does="retry-run" fields={{ id }} kind="main" shortcut="r">
                Retry
              </Deed>
            )}
          </div>
        </Head>
        {progress && <Progress {...progress} />}
        {error && <RunError run={run} error={error} next={nextOf(run, typed)} />}
        <section class="card" aria-labelledby="facts">
          <h2 id="facts">Facts</h2>
          <Facts facts={runFacts(run)} />
        </section>
        {result.response.sql && (
          <section aria-labelledby="sql">
            <h2 id="sql">SQL</h2>
            <Sql text={statementsOf(run).join('\n\n')} of="the run" />
          </section>
        )}
      </>
    ),
  }
}

/** A drop is not for a button. A migration or `put-back` asks for what the API does not take: it is repeated itself. */
const isRetryable = ({ status, operation, result }: Run) =>
  (status === 'failed' || status === 'canceled') && operation !== 'drop' && 'view' in result.request

/** How far a run is: its phase, and the time against what such a run usually takes. */
const Progress: FC<NonNullable<Run['progress']>> = ({ phase, elapsedMs, estimatedMs }) => (
  <div class="progress">
    <p>
      <strong>{phase ?? 'running'}</strong>
      {elapsedMs !== null && ` · ${timeText(elapsedMs, estimatedMs)}`}
    </p>
    <progress
      aria-label="Time against the usual duration"
      value={elapsedMs === null || !estimatedMs ? undefined : Math.min(0.97, elapsedMs / estimatedMs)}
    />
  </div>
)

/** What to type next, unless that shows this run. */
function nextOf({ id, cause }: Run, typed: CommandTarget): string | null {
  const next = cause?.next ? aimed(cause.next, typed) : null
  return next === command(['run', String(id)], typed) ? null : next
}

interface RunErrorProps {
  run: Pick<Run, 'operation' | 'cause'>
  error: NonNullable<Run['error']>
  next: string | null
}

/** Why a run did not succeed: its cause and the error, without row data, what to type, and where to read on. */
const RunError: FC<RunErrorProps> = ({ run: { operation, cause }, error, next }) => (
  <section class="failure" aria-labelledby="error">
    <h2 id="error">
      {error.class} {error.sqlstate && <code>{error.sqlstate}</code>}
    </h2>
    <p>{cause?.text ?? error.message}</p>
    {[cause?.code === 'CheckFailed' ? null : error.detail, error.hint].filter(Boolean).map((text) => (
      <p>{text}</p>
    ))}
    {next && <Command line={next} />}
    {error.context && <pre>{error.context}</pre>}
    {error.runningRunId && (
      <p>
        <a href={hrefOf('run', error.runningRunId)}>Run {error.runningRunId}</a> was in the way.
      </p>
    )}
    <p class="hint">
      {operation === 'refresh' && cause === undefined && 'Readers see the data of the last success. '}
      {runbookOf(error.class)}
    </p>
  </section>
)
