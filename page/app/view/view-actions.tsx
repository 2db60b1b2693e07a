import { useState } from 'preact/hooks'
import type { ViewDetails } from '../../../src/api/answers.ts'
import { strategies } from '../../../src/catalog/plan/definition.ts'
import { cancelRun, pauseView, resumeView } from '../live/actions.ts'
import { Button } from '../parts/button.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'

/** What can be done with a view: refresh it, with a strategy of choice; cancel its run; pause and resume it. */
export function ViewActions({ view, running }: { view: ViewDetails; running: boolean }) {
  const [strategy, setStrategy] = useState('')
  return (
    <div class="buttons">
      {view.paused ? (
        <Button does={() => resumeView(view)}>Resume</Button>
      ) : (
        <Button does={() => pauseView(view)}>Pause</Button>
      )}
      {running && view.lastRun ? (
        <Button kind="danger" does={() => cancelRun(view.lastRun!.id)}>
          Cancel run {view.lastRun.id}
        </Button>
      ) : (
        <>
          <select
            aria-label="Strategy"
            value={strategy}
            onChange={({ currentTarget }) => setStrategy(currentTarget.value)}
          >
            <option value="">strategy: {view.strategy}</option>
            {strategies
              .filter((each) => each !== view.strategy)
              .map((each) => (
                <option key={each}>{each}</option>
              ))}
          </select>
          <RefreshButton view={view} {...(strategy && { strategy })} />
        </>
      )}
    </div>
  )
}
