import type { Run } from '../../../src/api/answers.ts'
import { duration } from '../../../src/sql/words.ts'
import { Plot } from './plot.tsx'
import { pointsOf } from './runs.ts'

/** Duration and rows of a view over time. */
export const Plots = ({ runs }: { runs: Run[] }) => (
  <section class="plots" aria-label="Over time">
    <Plot
      title="Duration"
      points={pointsOf(runs, (run) => run.durationMs)}
      write={(ms) => (ms < 1000 ? `${Math.round(ms)} ms` : duration(ms))}
      none="No refresh has succeeded yet."
      durations
    />
    <Plot
      title="Rows"
      points={pointsOf(runs, (run) => run.rowCountAfter)}
      write={(rows) => Math.round(rows).toLocaleString('en')}
      none="No refresh has counted the rows."
    />
  </section>
)
