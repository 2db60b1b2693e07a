import { type BatchNode, isDone, type LatestRun, type TogetherGroup } from './next.ts'

/**
 * The views of a batch that a view still waits for, by their ids: those that it reads, until they are done; after its twin is
 * built, the views of its group whose twins are not. None if only a slot is missing, if the view's run is running, or if
 * the view has ended. Pure.
 */
export function waitsFor(
  { id, parents }: Pick<BatchNode, 'id' | 'parents'>,
  latest: Map<number, Pick<LatestRun, 'status' | 'class'>>,
  groups: TogetherGroup[],
): number[] {
  const status = latest.get(id)?.status ?? 'pending'
  const group = groups.find(({ members }) => members.includes(id))
  const isBuilt = (view: number) => latest.get(view)?.status === 'built'
  if (status === 'built') return group?.members.filter((member) => !isBuilt(member)) ?? []
  if (status !== 'pending') return []
  return parents.filter((parent) => {
    const last = latest.get(parent)
    return !(last !== undefined && isDone(last)) && !(isBuilt(parent) && group?.members.includes(parent))
  })
}
