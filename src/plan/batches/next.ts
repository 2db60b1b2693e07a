/** A view of a batch, as far as deciding on it goes. */
export interface BatchNode {
  id: number
  parents: number[]
  retries: number
  retryDelaySeconds: number
}

/** The latest attempt at a view within its batch. */
export interface LatestRun {
  runId: number
  status: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
  attempt: number
  /** The class of its error; null where it has none. */
  class: string | null
  /** Whether its `not_before` has passed. */
  due: boolean
}

/** What is to be done for a batch at this moment, first things first. */
export interface BatchNext<Node extends BatchNode> {
  /** Views whose turn it is, with their pending attempt where there is one. */
  ready: { node: Node; pending: LatestRun | null }[]
  /** Views whose last attempt failed and that are to be tried again. */
  retry: { node: Node; attempt: number; delaySeconds: number }[]
  /** Views that can never have their turn, because of this other one. */
  skip: { node: Node; because: Node }[]
  /** Attempts that are running. */
  running: number
  /** Every view has come to its end. */
  ended: boolean
}

/** Trying again, some minutes later, changes nothing about these. A view that is gone may be on its way back. */
const notWorthARetry = new Set(['UniqueIndexRequired', 'SwapImpossible', 'InvalidRequest'])

/**
 * Decides what comes next in a batch. Pure: the same attempts give the same next, whoever asks however often. `nodes`
 * come with parents before children, most urgent first, and stay in that order.
 */
export function planNext<Node extends BatchNode>(
  nodes: Node[],
  latest: Map<number, LatestRun>,
): BatchNext<Node> {
  const next: BatchNext<Node> = { ready: [], retry: [], skip: [], running: 0, ended: true }
  const done = new Set<number>()
  const culprits = new Map<number, Node>()
  for (const node of nodes) {
    const last = latest.get(node.id)
    if (last !== undefined && isDone(last)) {
      done.add(node.id)
      continue
    }
    const culprit = node.parents.map((parent) => culprits.get(parent)).find((found) => found !== undefined)
    if (last !== undefined && hasFailed(last)) {
      if (mayTryAgain(node, last)) {
        next.ended = false
        const delaySeconds = last.class === 'RunLost' ? 0 : node.retryDelaySeconds
        next.retry.push({ node, attempt: last.attempt + 1, delaySeconds })
      } else culprits.set(node.id, last.class === 'UpstreamFailed' ? (culprit ?? node) : node)
      continue
    }
    next.ended = false
    if (last?.status === 'running') next.running++
    else if (culprit !== undefined) {
      culprits.set(node.id, culprit)
      next.skip.push({ node, because: culprit })
    } else if (node.parents.every((parent) => done.has(parent)) && last?.due !== false) {
      next.ready.push({ node, pending: last ?? null })
    }
  }
  return next
}

/** Left out as paused is as good as done: what reads it is refreshed from the data it has. */
export const isDone = ({ status, class: why }: Pick<LatestRun, 'status' | 'class'>): boolean =>
  status === 'success' || (status === 'skipped' && why === null)

const hasFailed = ({ status }: LatestRun): boolean =>
  status === 'failed' || status === 'canceled' || status === 'skipped'

const mayTryAgain = ({ retries }: BatchNode, last: LatestRun): boolean =>
  last.status === 'failed' && last.attempt <= retries && !notWorthARetry.has(last.class ?? '')
