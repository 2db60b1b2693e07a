import type { LatestRun, TogetherGroup } from '../../record/plan/batch.ts'

/** The group of each view that has one, by the ids of the views. */
export const groupsByMember = (groups: TogetherGroup[]): Map<number, TogetherGroup> =>
  new Map(groups.flatMap((group) => group.members.map((id) => [id, group] as const)))

/** Whether a view is waited for no more. A paused view is done: the views that read it are refreshed from the data it has. */
export const isDone = (last: Pick<LatestRun, 'status' | 'class'> | undefined): boolean =>
  last?.status === 'success' || (last?.status === 'skipped' && last.class === null)

/**
 * The views of a batch that a view still waits for, by their ids: those that it reads, until they are done, or their shadows are
 * built for its group, or they are refreshed with it; after its own shadow is built, the views of its group whose shadows are not. None if only a slot is missing,
 * if the view's run is running, or if the view has ended. `viewkeeper.has_turn` asks the same for the claim. Pure.
 */
export function waitsFor(
  { id, parents }: { id: number; parents: number[] },
  latest: Map<number, Pick<LatestRun, 'status' | 'class'>>,
  groupOf: Map<number, TogetherGroup>,
): number[] {
  const status = latest.get(id)?.status ?? 'pending'
  const { members = [], inPlace = false } = groupOf.get(id) ?? {}
  const isBuilt = (view: number) => latest.get(view)?.status === 'built'
  if (status === 'built') return members.filter((member) => !isBuilt(member))
  if (status !== 'pending') return []
  return parents.filter(
    (parent) => !isDone(latest.get(parent)) && !((inPlace || isBuilt(parent)) && members.includes(parent)),
  )
}
