import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import packageJson from '../../package.json' with { type: 'json' }
import { median, type Sample, type Summary, summarize } from './measure.ts'

/** One line of the result: a heading, or what was measured. */
export type Row = { title: string } | Measured

interface Measured {
  name: string
  ms: Summary
  /** The median should not be above this. */
  goalMs?: number
  walBytes?: number
  /** What is loaded, gzipped. */
  gzippedBytes?: number
  /** The time, divided by the time of the other arm in the same round: the median of all rounds. */
  ratio?: Judged
  /** The longest read of each sample: the median of these reads, and the longest of all. */
  longestRead?: { typical: number; worst: number; goal?: number }
}

interface Judged {
  measured: number
  goal?: number
  /** The ratio should not be below this. */
  atLeast?: number
}

/** Sums up the samples of one arm, compared with those of another arm and with goals if there are any. */
export function compare(
  name: string,
  samples: Sample[],
  {
    to,
    goal,
    atLeast,
    longestReadMs,
  }: { to?: Sample[]; goal?: number; atLeast?: number; longestReadMs?: number } = {},
): Measured {
  const ms = summarize(samples.map((sample) => sample.ms))
  const written = samples.flatMap(({ walBytes }) => (walBytes === undefined ? [] : [walBytes]))
  const longest = samples.flatMap(({ reads }) => (reads.length > 0 ? [Math.max(...reads)] : []))
  return {
    name,
    ms,
    ...(written.length > 0 && { walBytes: median(written) }),
    ...(to && {
      ratio: { measured: median(samples.map((sample, at) => sample.ms / to[at]!.ms)), goal, atLeast },
    }),
    ...(longest.length > 0 && {
      longestRead: { typical: median(longest), worst: Math.max(...longest), goal: longestReadMs },
    }),
  }
}

const columns = [
  '',
  'gzipped',
  'median',
  'goal',
  '',
  'quartiles',
  'longest',
  'WAL',
  'ratio',
  'goal',
  '',
  'longest read',
  'of all',
  'goal',
  '',
]

/** Writes the rows as one aligned table, without empty columns. */
export function writeTable(rows: Row[]): string {
  const written = rows.map((row) => ('title' in row ? [row.title] : cellsOf(row)))
  const isUsed = (_: string, at: number) => at === 0 || written.some((cells) => cells[at])
  const lines = [columns, ...written].map((cells) => (cells.length === 1 ? cells : cells.filter(isUsed)))
  const widths = lines[0]!.map((_, at) =>
    Math.max(...lines.filter((cells) => cells.length > 1).map((cells) => cells[at]!.length)),
  )
  return lines
    .map((cells) =>
      cells.length === 1
        ? `\n${cells[0]}`
        : cells
            .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
            .join('  ')
            .trimEnd(),
    )
    .join('\n')
}

function cellsOf({ name, ms, goalMs, walBytes, gzippedBytes, ratio, longestRead }: Measured): string[] {
  return [
    `  ${name}`,
    gzippedBytes === undefined ? '' : writeBytes(gzippedBytes),
    writeMs(ms.median),
    goalMs === undefined ? '' : `≤ ${goalMs} ms`,
    goalMs === undefined ? '' : judge({ measured: ms.median, goal: goalMs }),
    `${writeMs(ms.lowerQuartile)} … ${writeMs(ms.upperQuartile)}`,
    goalMs === undefined ? '' : writeMs(ms.longest),
    walBytes === undefined ? '' : writeBytes(walBytes),
    ratio ? `${ratio.measured.toFixed(3).replace(/0$/, '')} ×` : '',
    ratio?.atLeast !== undefined
      ? `≥ ${ratio.atLeast} ×`
      : ratio?.goal !== undefined
        ? `≤ ${ratio.goal} ×`
        : '',
    ratio ? judge(ratio) : '',
    longestRead ? writeMs(longestRead.typical) : '',
    longestRead ? writeMs(longestRead.worst) : '',
    longestRead?.goal === undefined ? '' : `≤ ${longestRead.goal} ms`,
    longestRead ? judge({ measured: longestRead.worst, goal: longestRead.goal }) : '',
  ]
}

function judge({ measured, goal, atLeast }: Judged): string {
  if (goal === undefined && atLeast === undefined) return ''
  return measured <= (goal ?? measured) && measured >= (atLeast ?? measured) ? 'ok' : 'missed'
}

const writeMs = (ms: number): string =>
  ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`

const writeBytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`

/** A bar of a picture. */
interface Bar {
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
const colors = `text { font: 13px system-ui, sans-serif; fill: #1f2937 }
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
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

const root = new URL('../..', import.meta.url)
const docs = new URL('docs/benchmarks.md', root)
const note = /<!-- figures: version (\S+), code (\S+) -->\n.*\n/

/** Where the figures of docs/benchmarks.md come from. */
interface Figures {
  version: string
  /** See `fingerprint`. */
  code: string
}

/** What the note at the top of docs/benchmarks.md says. */
export function readFigures(): Figures {
  const [, version, code] = note.exec(readFileSync(docs, 'utf8'))!
  return { version: version!, code: code! }
}

/** A hash of all that the figures depend on most: the benchmarks and the envelope. */
export function fingerprint(): string {
  const hash = createHash('sha256')
  for (const file of globSync(['bench/**/*.ts', 'src/{run,record}/envelope/*.ts'], { cwd: root }).sort())
    hash.update(`${file}\n`).update(readFileSync(new URL(file, root)))
  return hash.digest('hex').slice(0, 12)
}

/** Whether the code has changed since, and more than one release ago. `releases` has the newest first. */
export const areOutdated = (figures: Figures, code: string, releases: string[]): boolean =>
  figures.code !== code && !releases.slice(0, 2).includes(figures.version)

/** Writes into docs/benchmarks.md that its figures come from this commit. For use after all were measured anew. */
export async function stampFigures(): Promise<Row[]> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  const { version } = packageJson
  const line = `All figures come from commit ${commit}, version ${version}.`
  const text = readFileSync(docs, 'utf8')
  writeFileSync(
    docs,
    text.replace(note, `<!-- figures: version ${version}, code ${fingerprint()} -->\n${line}\n`),
  )
  return [{ title: line }]
}
