import type { View } from '../../../src/api/answers.ts'
import { refreshView } from '../live/actions.ts'
import { ask } from '../live/questions.ts'
import { Button } from './button.tsx'

interface Options {
  view: Pick<View, 'view' | 'id' | 'strategy' | 'paused' | 'populated' | 'missing'>
  label?: string
  /** By default the view's own. */
  strategy?: string
  small?: boolean
}

/** Refreshes a view. Asks first if the view is paused, or if its readers would have to wait. */
export function RefreshButton({ view, label, strategy, small }: Options) {
  const refresh = async () => {
    const title = `Refresh ${view.view}?`
    const locksOut = (strategy ?? view.strategy) === 'regular' && view.populated
    const yes =
      !(view.paused || locksOut) ||
      (await ask({
        title,
        text: [
          ...(view.paused
            ? ['The view is paused. This refresh runs all the same, and the view stays paused.']
            : []),
          ...(locksOut
            ? ['Strategy regular locks the readers of the view out until the refresh has ended.']
            : []),
        ].join(' '),
        yes: 'Refresh',
      }))
    if (yes) await refreshView(view, { ...(strategy && { strategy }), ...(view.paused && { force: true }) })
  }
  return (
    <Button
      does={refresh}
      kind={small ? 'quiet' : 'main'}
      disabled={view.missing}
      shortcut="r"
      {...(label && { label })}
    >
      {small ? (
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3" />
        </svg>
      ) : (
        'Refresh'
      )}
    </Button>
  )
}
