import { useState } from 'preact/hooks'
import type { View } from '../../../src/api/answers.ts'
import { count } from '../../../src/sql/words.ts'
import { pauseView, resumeView, startBatch } from '../live/actions.ts'
import { Button } from '../parts/button.tsx'

/** What can be done with the views that were chosen: one batch, or a pause. */
export function SelectionBar({ chosen, clear }: { chosen: View[]; clear: () => void }) {
  const [ancestors, setAncestors] = useState(false)
  const [descendants, setDescendants] = useState(false)
  if (chosen.length === 0) return null
  const refresh = () => startBatch({ views: chosen.map(({ view }) => view), ancestors, descendants })
  const each = (does: (view: View) => Promise<void>, of: View[]) => async () => {
    for (const view of of) await does(view)
  }
  const running = chosen.filter(({ paused }) => !paused)
  const stopped = chosen.filter(({ paused }) => paused)
  return (
    <section class="selection" aria-label="The chosen views">
      <strong>{count(chosen.length, 'view')} chosen</strong>
      <label>
        <input type="checkbox" checked={ancestors} onChange={() => setAncestors(!ancestors)} /> and what they
        read
      </label>
      <label>
        <input type="checkbox" checked={descendants} onChange={() => setDescendants(!descendants)} /> and what
        reads them
      </label>
      <div class="buttons">
        <button type="button" class="quiet" onClick={clear}>
          Choose none
        </button>
        {running.length > 0 && <Button does={each(pauseView, running)}>Pause</Button>}
        {stopped.length > 0 && <Button does={each(resumeView, stopped)}>Resume</Button>}
        <Button kind="main" does={refresh}>
          Refresh in one batch
        </Button>
      </div>
    </section>
  )
}
