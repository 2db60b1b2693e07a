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
 * The views of a batch whose groups are decided, parents before children: those that it was to refresh, and those that come
 * along. Within a group a view waits for every member that it reads. `groups` are the groups that were made. Pure.
 */
export function viewsTogether<View extends Candidate>(
  candidates: View[],
  { included, parents }: Pick<PlannedTogether, 'included' | 'parents'>,
  groups: Pick<PlannedGroup, 'members'>[],
): View[] {
  const grouped = new Set(groups.flatMap(({ members }) => members))
  const because = new Map(included.filter(({ id }) => grouped.has(id)).map((each) => [each.id, each.because]))
  const views = candidates
    .filter(({ id, asked }) => asked || because.has(id))
    .map((view) => ({
      ...view,
      includedBecause: because.get(view.id) ?? view.includedBecause,
      parents: grouped.has(view.id)
        ? [...new Set([...view.parents, ...(parents.get(view.id) ?? [])])]
        : view.parents,
    }))
  return parentsFirst(
    views,
    ({ id }) => id,
    ({ parents }) => parents,
  )
}
