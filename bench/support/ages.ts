import { colors, escaped } from './picture.ts'

/** How old a view was, in seconds since the begin. */
export interface AgePanel {
  title: string
  /** How old it may become, in seconds. */
  lag: number
  ages: { at: number; age: number }[]
  /** When its refreshes ended. */
  refreshes: number[]
}

const [width, left, right, high] = [860, 60, 20, 110]

const style = `${colors}
.age { fill: none; stroke: #4f46e5; stroke-width: 2 } .lag { stroke: #b91c1c; stroke-width: 1.5; stroke-dasharray: 6 4 }
.axis { stroke: #94a3b8 } .refresh { fill: #0f766e } .small { font-size: 12px }
@media (prefers-color-scheme: dark) { .age { stroke: #818cf8 } .lag { stroke: #f87171 } .axis { stroke: #64748b } .refresh { fill: #2dd4bf } }`

/** Draws the age of each view against time, as SVG: the line of its target lag, and a mark below for each refresh. */
export function drawAges(title: string, seconds: number, panels: AgePanel[]): string {
  const x = (at: number) => (left + (at / seconds) * (width - left - right)).toFixed(1)
  let top = 6
  const drawn = panels.map(({ title: heading, lag, ages, refreshes }) => {
    const most = 1.15 * Math.max(lag, ...ages.map(({ age }) => age))
    const bottom = top + 40 + high
    const y = (age: number) => (bottom - (age / most) * high).toFixed(1)
    const marks = refreshes.map((at) => {
      const to = x(at)
      return `<path class="refresh" d="M${to} ${bottom + 3} l5 9 h-10 z"/>`
    })
    const lines = [
      `<text class="title" x="12" y="${top + 22}">${escaped(heading)}</text>`,
      `<line class="axis" x1="${left}" x2="${width - right}" y1="${bottom}" y2="${bottom}"/>`,
      `<text class="small" x="${left - 8}" y="${bottom + 4}" text-anchor="end">0 s</text>`,
      `<line class="lag" x1="${left}" x2="${width - right}" y1="${y(lag)}" y2="${y(lag)}"/>`,
      `<text class="small" x="${left - 8}" y="${Number(y(lag)) + 4}" text-anchor="end">${lag} s</text>`,
      `<polyline class="age" points="${ages.map(({ at, age }) => `${x(at)},${y(age)}`).join(' ')}"/>`,
      ...marks,
    ]
    top = bottom + 22
    return lines.join('\n')
  })
  const minutes = Array.from({ length: Math.floor(seconds / 60) + 1 }, (_, minute) => minute)
  const axis = minutes.map(
    (minute) =>
      `<text class="small" x="${x(minute * 60)}" y="${top + 12}" text-anchor="middle">${minute}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 44}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>${style}</style>
${drawn.join('\n')}
${axis.join('\n')}
<text class="small" x="${left}" y="${top + 34}">Minutes. Line: age. Dashes: target lag. Triangles: refreshes.</text>
</svg>
`
}
