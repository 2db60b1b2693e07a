import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { duration, elapsed } from '../../../src/plan/words.ts'

/** How far a run is: its phase, and the time against what such a run usually takes. */
export function Progress({
  progress: { phase, elapsedMs, estimatedMs },
}: {
  progress: NonNullable<Run['progress']>
}) {
  const part = elapsedMs === null || !estimatedMs ? null : Math.min(0.97, elapsedMs / estimatedMs)
  return (
    <div class="progress">
      <p>
        <strong>{phase ?? 'running'}</strong>
        {elapsedMs !== null && ` · ${elapsed(elapsedMs)}`}
        {estimatedMs !== null && ` of about ${duration(estimatedMs)}`}
      </p>
      <progress aria-label="Time against the usual duration" {...(part !== null && { value: part })} />
    </div>
  )
}
