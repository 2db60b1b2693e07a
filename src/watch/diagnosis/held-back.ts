import { viewsAbove } from '../../catalog/plan/graph.ts'
import { type AnyState, isLeftOut, stateOf, type ViewFacts } from '../../catalog/plan/state.ts'

type Moment = Date | string

/** Differences below this are those between runs of one batch. */
const worthTellingMs = 60_000

/**
 * The view that keeps the data of another one older than its last success, or of unknown age; null if none does, or by less
 * than a minute. After a refresh by slices the record names the view itself, which is no other one. Pure.
 */
export function heldBack({
  view,
  asOf,
  heldBackBy,
  lastSuccessAt,
}: {
  view: string
  asOf: Moment | null
  heldBackBy: string | null
  lastSuccessAt: Moment | null
}): string | null {
  if (heldBackBy === view) return null
  if (asOf === null || lastSuccessAt === null) return heldBackBy
  return Number(new Date(lastSuccessAt)) - Number(new Date(asOf)) < worthTellingMs ? null : heldBackBy
}

/** The state of a view that other views wait for. */
const isAtFault = ({ state }: { state: AnyState }): boolean => ['missing', 'aside', 'failed'].includes(state)

/**
 * How views stand, in the order of `views`, and which view has to be fixed first for each that waits for another one, or whose data are
 * too old because of another one: the first above it that is at fault, or else the view that holds its data back. Pure.
 */
export function judge<Facts extends ViewFacts>(
  views: Facts[],
  dependencies: Map<string, string[]>,
): (Facts & { state: AnyState; culprit: string | null })[] {
  const alone = new Map(views.map((view) => [view.view, { state: stateOf({ ...view, culprit: null }) }]))
  return views.map((view) => {
    const old = view.stale ? heldBack(view) : null
    const waits = isLeftOut(view) || old !== null
    const found = waits
      ? viewsAbove(view.view, dependencies).find((above) => isAtFault(alone.get(above) ?? { state: 'fresh' }))
      : undefined
    const culprit = found ?? old
    return { ...view, state: stateOf({ ...view, culprit }), culprit }
  })
}
