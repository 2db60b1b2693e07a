import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { duration } from '../../../src/plan/words.ts'
import { Plot } from './plot.tsx'
import { pointsOf } from './runs.ts'

/** Duration and rows of a view over time. */
export const Plots = ({ runs }: { runs: Run[] }) => {
  const durations = pointsOf(runs, (run) => run.durationMs)
  return (
    <section class="plots" aria-label="Over time">
      <Plot
        title="Duration"
        points={durations}
        write={Math.max(...durations.values) < 1000 ? (ms) => `${Math.round(ms)} ms` : duration}
        none="No refresh has succeeded yet."
        fromZero
      />
      <Plot
        title="Rows"
        points={pointsOf(runs, (run) => run.rowCountAfter)}
        write={(rows) => Math.round(rows).toLocaleString('en')}
        none="No refresh has counted the rows."
      />
    </section>
  )
}
