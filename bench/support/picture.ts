/** A bar of a picture. */
export interface Bar {
  label: string
  value: number
  /** The value in words. */
  text: string
  /** Whether the bar is that of the tool that the picture is about. */
  ours: boolean
}

const width = 860
const left = 250
const longest = 480
const lineHeight = 26

/** Colors that differ from a white and from a black page; `prefers-color-scheme` picks the text's. */
export const colors = `text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 15px }
.ours { fill: #4f46e5 } .other { fill: #94a3b8 }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .ours { fill: #818cf8 } .other { fill: #64748b } }`

/** Draws panels of horizontal bars below each other, as SVG. Each panel has a scale of its own. */
export function drawBars(title: string, panels: { title: string; bars: Bar[] }[]): string {
  let y = 6
  const drawn = panels.map(({ title: heading, bars }) => {
    const most = Math.max(...bars.map(({ value }) => value))
    const lines = [`<text class="title" x="12" y="${y + 22}">${escaped(heading)}</text>`]
    y += 32
    for (const { label, value, text, ours } of bars) {
      const long = Math.max(1, Math.round((value / most) * longest))
      lines.push(
        `<text x="${left - 8}" y="${y + 16}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${ours ? 'ours' : 'other'}" x="${left}" y="${y + 3}" width="${long}" height="18" rx="3"/>`,
        `<text x="${left + long + 8}" y="${y + 16}">${escaped(text)}</text>`,
      )
      y += lineHeight
    }
    y += 8
    return lines.join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" role="img" aria-labelledby="title">
<title id="title">${escaped(title)}</title>
<style>${colors}</style>
${drawn.join('\n')}
</svg>
`
}

/** A text as SVG writes it. */
export const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
