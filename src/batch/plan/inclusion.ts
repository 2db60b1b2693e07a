import { parentsFirst } from '../../sql/walks.ts'
import type { PlannedGroup, PlannedTogether } from './together.ts'

/** A view of a batch, or one that may come along. */
interface Candidate {
  id: number
  asked: boolean
  includedBecause: string | null
  parents: number[]
}

/**
 * The views of a batch on which it was decided: those that it was to refresh, and those that come along. Within a group a view waits for every member that it reads. `groups` are the groups that were made. Pure.
 */
export function viewsTogether<View extends Candidate>(
  candidates: View[],
  { included, parents }: Pick<PlannedTogether, 'included' | 'parents'>,
  groups: Pick<PlannedGroup, 'members'>[],
): View[] {
  const grouped = new Set(groups.flatMap(({ members }) => members))
  const because = new Map(included.filter(({ id }) => grouped.has(id)).map((each) => [each.id, each.because]))
  return candidates
    .filter(({ id, asked }) => asked || because.has(id))
    .map((view) => ({
      ...view,
      includedBecause: because.get(view.id) ?? view.includedBecause,
      parents: grouped.has(view.id)
        ? [...new Set([...view.parents, ...(parents.get(view.id) ?? [])])]
        : view.parents,
    }))
}

/** All views of a batch with what was `decided` of some, parents before children; null if that changes nothing. */
export function withChanged<View extends Omit<Candidate, 'asked'>>(
  views: View[],
  decided: View[],
): View[] | null {
  const changed = new Map(decided.map((view) => [view.id, view]))
  const isSame = ({ id, parents, includedBecause }: View) => {
    const now = changed.get(id)
    changed.delete(id)
    return (
      now === undefined || (now.parents.length === parents.length && now.includedBecause === includedBecause)
    )
  }
  if (views.map(isSame).every(Boolean) && changed.size === 0) return null
  const byId = new Map([...views, ...decided].map((view) => [view.id, view]))
  return parentsFirst(
    [...byId.values()],
    ({ id }) => id,
    ({ parents }) => parents,
  )
}
