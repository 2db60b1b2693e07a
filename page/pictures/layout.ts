import { parentPort, workerData } from 'node:worker_threads'
import { Graph, layout } from '@dagrejs/dagre'

/** A view of a graph, with the views that it reads, and what stands in its box. */
export interface Labelled {
  view: string
  dependsOn: string[]
  label: string
}

export interface Box {
  view: string
  label: string
  /** The upper left corner. */
  x: number
  y: number
  width: number
  height: number
}

export interface Drawing {
  width: number
  height: number
  boxes: Box[]
  /** From a view that is read to the view that reads it. `path` is the `d` of an SVG path. */
  arrows: { from: string; to: string; path: string }[]
}

const height = 34
const letter = 7.3
const besides = 46

/** With more views than this, the quick way to find the ranks: the best one takes seconds. */
const manyViews = 250

/** Where to draw views that read each other: those that are read stand to the left of those that read them. */
export function draw(views: Labelled[]): Drawing {
  const known = new Set(views.map(({ view }) => view))
  const graph = new Graph({ directed: true })
  graph.setGraph({
    rankdir: 'LR',
    nodesep: 14,
    ranksep: 60,
    marginx: 8,
    marginy: 8,
    ranker: views.length > manyViews ? 'longest-path' : 'network-simplex',
  })
  graph.setDefaultEdgeLabel(() => ({}))
  const letters = Math.max(0, ...views.map(({ label }) => label.length))
  for (const { view } of views) graph.setNode(view, { width: besides + letters * letter, height })
  for (const { view, dependsOn } of views) {
    for (const parent of dependsOn) if (known.has(parent)) graph.setEdge(parent, view)
  }
  layout(graph)
  const { width = 0, height: tall = 0 } = graph.graph() as { width?: number; height?: number }
  return {
    width: Math.max(0, width),
    height: Math.max(0, tall),
    boxes: views.map(({ view, label }) => {
      const node = graph.node(view) as Box
      return {
        view,
        label,
        x: node.x - node.width / 2,
        y: node.y - node.height / 2,
        width: node.width,
        height: node.height,
      }
    }),
    arrows: (graph.edges() as { v: string; w: string }[]).map(({ v: from, w: to }) => ({
      from,
      to,
      path: curve(
        graph.node(from) as Box,
        graph.edge(from, to) as { points: Point[] },
        graph.node(to) as Box,
      ),
    })),
  }
}

interface Point {
  x: number
  y: number
}

/** A smooth line from the right side of a box to the left side of another. It goes round the boxes in between. */
function curve(from: Box, { points }: { points: Point[] }, to: Box): string {
  const start = { x: from.x + from.width / 2, y: from.y }
  const end = { x: to.x - to.width / 2, y: to.y }
  // An edge to the next column has only one point in between, and needs none.
  const between = points.length > 3 ? points.slice(1, -1) : []
  const stops = [start, ...between, end].map(({ x, y }) => ({ x: Math.round(x), y: Math.round(y) }))
  return stops.reduce((path, { x, y }, i) => {
    const last = stops[i - 1]
    if (!last) return `M${x} ${y}`
    const middle = Math.round((last.x + x) / 2)
    return `${path}C${middle} ${last.y} ${middle} ${y} ${x} ${y}`
  }, '')
}

// A thread of its own: hundreds of views take seconds, in which nobody else would be answered.
parentPort?.postMessage(draw(workerData as Labelled[]))
