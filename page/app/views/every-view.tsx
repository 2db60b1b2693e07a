import { count } from '../../../src/sql/words.ts'
import { pauseAll, startBatch } from '../live/actions.ts'
import { ask } from '../live/questions.ts'
import { Button } from '../parts/button.tsx'

/** What can be done with every view at once. */
export function EveryView({ paused, count: views }: { paused: boolean; count: number }) {
  const pause = async () => {
    const yes = await ask({
      title: 'Pause everything scheduled?',
      text: 'Schedules and deploys start no refresh until somebody resumes. All views will go out of date.',
      yes: 'Pause all',
    })
    if (yes) await pauseAll()
  }
  const refresh = async () => {
    const yes = await ask({
      title: 'Refresh every view?',
      text:
        `One batch refreshes ${count(views, 'view')} in dependency order, except those that are paused or left out ` +
        'of batches.',
      yes: 'Refresh all',
    })
    if (yes) await startBatch({ all: true })
  }
  return (
    <div class="buttons">
      {!paused && <Button does={pause}>Pause all</Button>}
      <Button kind="main" does={refresh} disabled={views === 0}>
        Refresh all
      </Button>
    </div>
  )
}
