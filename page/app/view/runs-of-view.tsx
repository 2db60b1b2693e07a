import { Button } from '../parts/button.tsx'
import { useGrowing } from '../parts/growing.tsx'
import { Trouble } from '../parts/trouble.tsx'
import { RunTable } from '../runs/run-table.tsx'
import type { LoadedRuns } from './use-runs.ts'

/** The runs of a view, newest first. */
export function Runs({ runs, problem, loadOlder }: LoadedRuns) {
  const { shown, more } = useGrowing(runs, 'runs')
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">
        Runs <span class="count">{runs.length.toLocaleString('en')}</span>
      </h2>
      {problem && <Trouble problem={problem} />}
      {runs.length === 0 ? <p class="empty">No run of this view is on record.</p> : <RunTable runs={shown} />}
      {more || (loadOlder && <Button does={loadOlder}>Load older runs</Button>)}
    </section>
  )
}
