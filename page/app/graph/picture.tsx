import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Sign } from '../../../src/resources/sign.ts'
import { hashOf } from '../address/address.ts'
import { strokesOf } from '../parts/mark.tsx'
import { labelled } from './labels.ts'
import type { Box, Drawing } from './layout.ts'
import type { Linked } from './linked.ts'
import { walk } from './walk.ts'

/** A view of the picture: how it stands, and what to say about it besides. */
export interface Pictured extends Linked {
  sign: Sign
  note: string
}

/** Smaller letters cannot be read: a larger picture scrolls. */
const least = 0.7
/** Larger letters help nobody: a smaller picture leaves room. */
const most = 1.5
/** What the canvas takes beside a picture: its padding, and a scroll bar. */
const besides = 40
/** The part of the window's height that a canvas may take, also on a narrow screen. */
const highest = 0.68

/** Views as boxes and arrows. Arrow keys go from view to view; the picture scrolls. */
export function Picture({ views }: { views: Pictured[] }) {
  const [drawing, setDrawing] = useState<Drawing>()
  // The layout is made again only if the graph is another one, not at each look.
  const shape = JSON.stringify(views.map(({ view, dependsOn }) => [view, dependsOn]))
  useEffect(() => {
    let wanted = true
    // Loaded only for a picture: half of the page's code finds a layout or plots.
    import('./layout.ts').then(({ draw }) => wanted && setDrawing(draw(labelled(views))))
    return () => {
      wanted = false
    }
  }, [shape])
  return drawing ? <Drawn drawing={drawing} views={views} /> : <p class="loading">Drawing …</p>
}

function Drawn({ drawing, views }: { drawing: Drawing; views: Pictured[] }) {
  const [zoom, setZoom] = useState(1)
  const svg = useRef<SVGSVGElement>(null)
  const byName = new Map(views.map((view) => [view.view, view]))
  useLayoutEffect(() => {
    const wide = (svg.current!.parentElement!.clientWidth - besides) / drawing.width
    // A picture is enlarged as long as all of it can be seen.
    const high = Math.max(1, (innerHeight * highest - besides) / drawing.height)
    setZoom(Math.max(least, Math.min(most, wide, high)))
  }, [drawing])
  const go = (event: KeyboardEvent) => {
    const from = (event.target as Element).getAttribute('data-view')
    const to = from === null ? undefined : walk(drawing, from, event.key)
    if (to === undefined) return
    event.preventDefault()
    svg.current!.querySelector<SVGAElement>(`[data-view="${CSS.escape(to)}"]`)?.focus()
  }
  return (
    <div class="graph">
      <div class="canvas">
        <svg
          ref={svg}
          width={drawing.width * zoom}
          height={drawing.height * zoom}
          viewBox={`0 0 ${drawing.width} ${drawing.height}`}
          onKeyDown={go}
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
            {drawing.arrows.map(({ from, to, path }) => (
              <path key={`${from} ${to}`} d={path} marker-end="url(#tip)" />
            ))}
          </g>
          {drawing.boxes.map((box) => {
            const of = byName.get(box.view)
            return of && <Node key={box.view} box={box} of={of} />
          })}
        </svg>
      </div>
    </div>
  )
}

function Node({ box: { view, label, x, y, width, height }, of: { sign, note } }: { box: Box; of: Pictured }) {
  return (
    <a
      class={`node tone-${sign.tone} ${sign.mark === 'play' ? 'moving' : ''}`}
      href={hashOf('view', view)}
      data-view={view}
      aria-label={`${view}, ${sign.word}${note && `, ${note}`}`}
    >
      <title>{`${view}: ${sign.word}${note && `, ${note}`}`}</title>
      <rect x={x} y={y} width={width} height={height} rx="6" />
      <circle cx={x + 17} cy={y + height / 2} r="8" />
      <path transform={`translate(${x + 9} ${y + height / 2 - 8})`} d={strokesOf(sign.mark)} />
      <text x={x + 32} y={y + height / 2 + 4.5}>
        {label}
      </text>
    </a>
  )
}
