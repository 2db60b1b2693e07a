import { isEnded, type RunStatus } from '../../catalog/plan/run.ts'

/** What `ownersWithRivals` needs to know of a view in a batch. */
interface OwnedNode {
  id: number
  parents: number[]
  owner?: number | null
}

type Owner = OwnedNode['owner']

/**
 * The owners that leave one place of a batch to others: of those that a view of somebody else waits for, which needs none of their own
 * views first. Else the slow views of one owner would keep everybody's waiting. Pure. `nodes`: parents before children.
 */
export function ownersWithRivals(nodes: OwnedNode[], latest: Map<number, { status: RunStatus }>): Set<Owner> {
  const owners = new Set(nodes.map(({ owner }) => owner))
  const rivals = new Set<Owner>()
  /** The owners of the views that a view waits for, itself included; none if it has ended. */
  const awaited = new Map<number, Set<Owner>>()
  for (const { id, parents, owner } of nodes) {
    const status = latest.get(id)?.status
    if (status !== undefined && isEnded(status)) continue
    const waits = new Set([owner, ...parents.flatMap((parent) => [...(awaited.get(parent) ?? [])])])
    awaited.set(id, waits)
    if (status === 'running' || status === 'built') continue
    for (const each of owners) if (!waits.has(each)) rivals.add(each)
  }
  return rivals
}
