import { type LatestRun, passing, type TogetherGroup } from '../../record/plan/batch.ts'
import { groupsByMember, isDone, waitsFor } from '../../run/plan/turn.ts'
import type { ProblemCode } from '../../words/problem.ts'
import { isEnded, type RunStatus } from '../../words/run.ts'

/** What `planNext` needs to know of a view in a batch. */
export interface BatchNode {
  id: number
  parents: number[]
  retries: number
  retryDelaySeconds: number
}

/** A view that can be refreshed now, with its pending run if there is one; the first view stands for its group. */
interface ReadyView<Node extends BatchNode> {
  node: Node
  pending: LatestRun | null
  /** The group that is exchanged, because all its shadows are built. */
  exchange?: TogetherGroup
}

/** What to do for a batch at this moment. Each list keeps the order of the views. */
export interface BatchNext<Node extends BatchNode> {
  /** What can be sent now: exchanges first, then views. */
  ready: ReadyView<Node>[]
  /** Views to be tried again, because their latest run failed. */
  retry: { node: Node; attempt: number; delaySeconds: number }[]
  /** Views that will not be refreshed in this batch, because the view `because` was not refreshed. */
  skip: { node: Node; because: Node }[]
  /** Groups that cannot be exchanged any more: each view of them has ended or is built, and not all are built. */
  giveUp: TogetherGroup[]
  /** Whether every view has ended. */
  ended: boolean
}

/**
 * When a run that has failed is tried again, by its class, and if the view's own SQL has failed, by the class of the SQLSTATE; any other:
 * later, because waiting may mend it. Never: somebody has to change rows, a right, the view or its definition. At once: nothing is wrong
 * with the view. `UnknownView` is not here: a view that is gone may come back.
 */
const again: { [why in ProblemCode | '0A' | '21' | '22' | '23' | '42' | 'XX']?: 'never' | 'at once' } = {
  CheckFailed: 'never',
  DependentsExist: 'never',
  InsufficientPrivilege: 'never',
  InvalidName: 'never',
  InvalidRequest: 'never',
  SwapImpossible: 'never',
  UniqueIndexRequired: 'never',
  '0A': 'never', // not supported
  '21': 'never', // several rows where one has to be
  '22': 'never', // a row is wrong for the query, as for a division by zero
  '23': 'never', // two rows are equal in a unique index
  '42': 'never', // wrong syntax, or a name that nothing has
  XX: 'at once', // what the server read in the catalog was exchanged meanwhile
  CatalogChanged: 'at once',
  Deadlock: 'at once',
  RunLost: 'at once',
}

/**
 * Decides what comes next in a batch. Pure: the same runs always give the same answer. `nodes` must come with
 * parents before children and the most urgent first; the answer keeps their order. The views in `undecided` wait: how they
 * are refreshed is not decided yet.
 */
export function planNext<Node extends BatchNode>(
  nodes: Node[],
  latest: Map<number, LatestRun>,
  groups: TogetherGroup[] = [],
  undecided: ReadonlySet<number> = new Set(),
): BatchNext<Node> {
  const next: BatchNext<Node> = {
    ready: [],
    retry: [],
    skip: [],
    giveUp: [],
    ended: true,
  }
  const groupOf = groupsByMember(groups)
  const open = new Set<number>()
  const culprits = new Map<number, Node>()
  const built = new Map<number, Node>()
  const readyInPlace = new Map<TogetherGroup, ReadyView<Node>[]>()
  for (const node of nodes) {
    const last = latest.get(node.id)
    if (isDone(last)) continue
    const culprit = node.parents.map((parent) => culprits.get(parent)).find((found) => found !== undefined)
    const group = groupOf.get(node.id)
    if (last !== undefined && group !== undefined && cannotExchange(last, group)) {
      next.ended = false
      continue
    }
    if (last !== undefined && hasFailed(last)) {
      const delaySeconds = retryDelayOf(node, last)
      if (delaySeconds !== null) {
        next.ended = false
        open.add(node.id)
        next.retry.push({ node, attempt: last.attempt + 1, delaySeconds })
      } else culprits.set(node.id, last.class === 'UpstreamFailed' ? (culprit ?? node) : node)
      continue
    }
    next.ended = false
    if (last?.status === 'built') {
      built.set(node.id, node)
      continue
    }
    open.add(node.id)
    if (last?.status === 'running') continue
    if (culprit !== undefined) {
      culprits.set(node.id, culprit)
      next.skip.push({ node, because: culprit })
    } else if (
      !undecided.has(node.id) &&
      last?.due !== false &&
      waitsFor(node, latest, groupOf).length === 0
    ) {
      const ready = { node, pending: last ?? null }
      if (!group?.inPlace) next.ready.push(ready)
      else {
        const all = [...(readyInPlace.get(group) ?? []), ready]
        readyInPlace.set(group, all)
        if (all.length === group.members.length) next.ready.push(all[0] ?? ready)
      }
    }
  }
  const exchanges: ReadyView<Node>[] = []
  for (const group of groups) {
    const runs = group.members.flatMap((id) => latest.get(id) ?? [])
    const are = (status: RunStatus) => runs.every((run) => run.status === status)
    const isOver = ({ status }: LatestRun) => isEnded(status) && status !== 'success'
    const goesOn = group.inPlace
      ? !runs.some(isOver) || next.retry.some(({ node }) => group.members.includes(node.id))
      : group.members.some((id) => open.has(id)) || are('success')
    if (goesOn) continue
    if (!are('built')) next.giveUp.push(group)
    else if (runs.every(({ due }) => due)) {
      const [first = 0] = group.members
      exchanges.push({ node: built.get(first)!, pending: latest.get(first)!, exchange: group })
    }
  }
  next.ready.unshift(...exchanges)
  if (next.giveUp.length > 0) next.ended = false
  return next
}

const cannotExchange = ({ status, built, class: why }: LatestRun, { inPlace }: TogetherGroup): boolean =>
  status === 'failed' && (built || inPlace) === true && !passing.includes(why ?? '')

const hasFailed = ({ status }: LatestRun): boolean =>
  status === 'failed' || status === 'canceled' || status === 'skipped'

/** How long after its end a failed run is followed by another attempt; null: by none. What is tried at once waits if it fails again. */
export function retryDelayOf(
  { retries, retryDelaySeconds }: Pick<BatchNode, 'retries' | 'retryDelaySeconds'>,
  { status, attempt, class: why, sqlstate }: Pick<LatestRun, 'status' | 'attempt' | 'class' | 'sqlstate'>,
): number | null {
  const key = why === 'ViewSqlFailed' ? (sqlstate?.slice(0, 2) ?? '') : (why ?? '')
  const when = (again as Record<string, string>)[key]
  if (status !== 'failed' || attempt > retries || when === 'never') return null
  return when === 'at once' && attempt === 1 ? 0 : retryDelaySeconds
}

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
