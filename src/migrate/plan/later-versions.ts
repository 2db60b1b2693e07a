import { quoteName } from '../../sql/names.ts'
import {
  type FrozenMigration,
  ofParts,
  type Together,
  type ViewChange,
  viewAfter,
  viewBefore,
  viewChangesOf,
} from './frozen.ts'

/**
 * What a change would be with each later version of its views, the next one first, under the names that the views have here.
 * A view that a later migration drops is left out from then on; null if no view is left. Pure.
 */
export function* laterVersions(
  change: ViewChange | Together,
  later: FrozenMigration[],
): Generator<ViewChange | Together | null> {
  const views = viewChangesOf(change).map((part) => ({ part, name: quoteName(viewAfter(part)) }))
  for (const step of later.flatMap(({ up }) => viewChangesOf(up.change))) {
    const view = views.find(({ name }) => name === quoteName(viewBefore(step)))
    if (view === undefined) continue
    if (step.does === 'rename') view.name = quoteName(step.to)
    else {
      if (step.does === 'drop') views.splice(views.indexOf(view), 1)
      else if (step.does === 'define' && view.part.does === 'define')
        view.part = { ...step, definition: { ...step.definition, ...viewBefore(view.part) } }
      yield views.length === 0 ? null : ofParts(views.map(({ part }) => part))
    }
  }
}
