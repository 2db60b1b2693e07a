import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { FC } from 'hono/jsx'
import { pageBuilder, pageFolder } from '../../src/package-files.ts'
import type { Sign } from '../../src/resources/cell.ts'
import { hrefOf } from '../address.ts'
import { schemaAndName, strokes } from '../cells.tsx'
import type { Box, Drawing, Labelled } from './layout.ts'

/** A view of the picture: how it stands, and what to say about it besides. */
export interface Pictured {
  view: string
  dependsOn: string[]
  sign: Sign
  note: string
}

/** Views as boxes and arrows. Arrow keys go from view to view; the picture scrolls. */
export const Graph: FC<{ views: Pictured[] }> = async ({ views }) => {
  const { width, height, boxes, arrows } = await drawn(labelled(views))
  const byName = new Map(views.map((view) => [view.view, view]))
  return (
    <div class="graph">
      <div class="canvas">
        <svg
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="group"
          aria-label={`Graph of ${views.length} views. Arrow keys go from view to view.`}
        >
          <defs>
            <marker
              id="tip"
              viewBox="0 0 8 8"
              refX="7"
              refY="4"
              markerWidth="7"
              markerHeight="7"
              orient="auto"
            >
              <path d="M0 0 8 4 0 8z" />
            </marker>
          </defs>
          <g class="arrows">
            {arrows.map(({ from, to, path }) => (
              <path d={path} marker-end="url(#tip)" data-from={from} data-to={to} />
            ))}
          </g>
          {boxes.map((box) => (
            <Node box={box} of={byName.get(box.view)!} />
          ))}
        </svg>
      </div>
    </div>
  )
}

const Node: FC<{ box: Box; of: Pictured }> = ({ box, of: { sign, note } }) => {
  const { view, label, x, y, width, height } = box
  const middle = y + height / 2
  return (
    <a
      class={`node tone-${sign.tone} ${sign.mark === 'play' ? 'moving' : ''}`}
      href={hrefOf('view', view)}
      data-view={view}
      aria-label={`${view}, ${sign.word}${note && `, ${note}`}`}
    >
      <title>{`${view}: ${sign.word}${note && `, ${note}`}`}</title>
      <rect x={x} y={y} width={width} height={height} rx="6" />
      <circle cx={x + 17} cy={middle} r="8" />
      <path transform={`translate(${x + 9} ${middle - 8})`} d={strokes[sign.mark]} />
      <text x={x + 32} y={middle + 4.5}>
        {label}
      </text>
    </a>
  )
}

/** The letters that a box has room for. */
const longest = 32

/** What stands in the box of each view: its name, without the schema if all views have the same, cut if it is long. */
export function labelled(views: Pick<Pictured, 'view' | 'dependsOn'>[]): Labelled[] {
  const named = views.map(({ view, dependsOn }) => ({ view, dependsOn, parts: schemaAndName(view) }))
  const isOne = new Set(named.map(({ parts: [schema] }) => schema)).size === 1
  return named.map(({ view, dependsOn, parts: [schema, name] }) => {
    const label = isOne ? name : schema + name
    return { view, dependsOn, label: label.length > longest ? `${label.slice(0, longest - 1)}…` : label }
  })
}

/** The source in the repository, and what `npm run build` makes of it in the package. */
const layout = existsSync(pageBuilder)
  ? new URL('layout.ts', import.meta.url)
  : new URL('layout.js', pageFolder)

/** The last drawings. A look at the same graph needs no other one. */
const kept = new Map<string, Promise<Drawing>>()
const most = 8

function drawn(views: Labelled[]): Promise<Drawing> {
  const shape = JSON.stringify(views)
  const before = kept.get(shape)
  if (before) return before
  const worker = new Worker(layout, { workerData: views })
  const drawing = once(worker, 'message').then(([message]) => message as Drawing)
  kept.set(shape, drawing)
  drawing.catch(() => kept.delete(shape))
  if (kept.size > most) kept.delete(kept.keys().next().value!)
  return drawing
}
