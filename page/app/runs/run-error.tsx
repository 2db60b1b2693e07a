import type { Run } from '../../../src/api/answers.ts'
import { runbookOf } from '../../../src/sql/runbook.ts'
import { hashOf } from '../address/address.ts'

/** Why a run did not succeed: the error as PostgreSQL tells it, without row data, and where to read on. */
export const RunError = ({
  error,
  operation,
}: Pick<Run, 'operation'> & { error: NonNullable<Run['error']> }) => (
  <section class="trouble" aria-labelledby="error">
    <h2 id="error">
      {error.class} {error.sqlstate && <code>{error.sqlstate}</code>}
    </h2>
    <p>{error.message}</p>
    {[error.detail, error.hint].filter(Boolean).map((text) => (
      <p key={text}>{text}</p>
    ))}
    {error.context && <pre>{error.context}</pre>}
    {error.runningRunId && (
      <p>
        <a href={hashOf('run', error.runningRunId)}>Run {error.runningRunId}</a> was in the way.
      </p>
    )}
    <p class="hint">
      {operation === 'refresh' && 'Readers see the data of the last success. '}
      {runbookOf(error.class)}
    </p>
  </section>
)
