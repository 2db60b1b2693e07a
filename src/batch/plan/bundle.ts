import type { LatestRun } from '../../record/plan/batch.ts'
import { isDone } from '../../run/plan/turn.ts'

/**
 * The runs of one message take at most so long together, by what they usually take: a hundredth of what is left, but at least the first, and at most the
 * second. Where everything takes long, as beside other work, a message still has several runs. The envelope begins none after a second.
 */
const [shortestMs, longestMs] = [250, 1000]

/** So many plans are written at once. */
const mostRuns = 100

/** What planning a bundle needs to know of a view in a batch. */
interface BundledNode {
  id: number
  parents: number[]
  owner?: number | null
  estimateMs: number
}

/**
 * The views that one message refreshes one after the other, parents before children: `first`, which has its turn, and others of its owner
 * that are due now, or will be when those before them have succeeded. A chain stays together. `nodes`: parents before children, the most
 * urgent first. `isFree`: whether a view may be refreshed with others, and nobody does so yet. `slots`: how many messages share what is
 * left. `pace`: how long short views have taken in this batch, as a part of what was estimated. Pure.
 */
export function planBundle<Node extends BundledNode>(
  first: Node,
  nodes: Node[],
  latest: Map<number, LatestRun>,
  isFree: (node: Node) => boolean,
  slots: number,
  pace = 1,
): Node[] {
  const msOf = ({ estimateMs }: Node) => (estimateMs > longestMs ? estimateMs : estimateMs * pace)
  const isDue = ({ id }: Node) => {
    const last = latest.get(id)
    return last === undefined || (last.status === 'pending' && last.due && last.follows !== true)
  }
  const may = new Set(
    nodes.filter((node) => node.owner != null && node.owner === first.owner && isDue(node) && isFree(node)),
  )
  if (!may.has(first)) return [first]
  const readers = new Map<number, Node[]>()
  let leftMs = 0
  for (const node of may) {
    leftMs += msOf(node)
    for (const parent of node.parents) readers.set(parent, [...(readers.get(parent) ?? []), node])
  }
  const mostMs = Math.min(longestMs, Math.max(shortestMs, leftMs / 100), leftMs / slots)
  const bundle = new Map<number, Node>()
  let ms = 0
  const next = [first, ...may]
  for (let node = next.shift(); node !== undefined && bundle.size < mostRuns; node = next.shift()) {
    if (bundle.has(node.id) || (bundle.size > 0 && ms + msOf(node) > mostMs)) continue
    if (!node.parents.every((parent) => bundle.has(parent) || isDone(latest.get(parent)))) continue
    bundle.set(node.id, node)
    ms += msOf(node)
    next.unshift(...(readers.get(node.id) ?? []))
  }
  return [...bundle.values()]
}
