import { fileURLToPath } from 'node:url'
import pty from '@lydell/node-pty'
import xterm from '@xterm/headless'

const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))
const columns = 96
const rows = 34

/** What the terminal shows from a moment on: lines of SVG. */
interface Frame {
  atMs: number
  lines: string[]
}

interface Place {
  cwd: string
  env: Record<string, string>
}

/** Types a `viewkeeper` command in a terminal, and gives what a person sees as an SVG that moves, from first to last. */
export async function record(args: string[], { cwd, env }: Place): Promise<string> {
  const screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true })
  const frames: Frame[] = []
  const begun = performance.now()
  const child = pty.spawn(process.execPath, [commandLine, ...args], {
    cwd,
    cols: columns,
    rows,
    name: 'xterm-256color',
    env: { PATH: process.env.PATH ?? '', HOME: cwd, TERM: 'xterm-256color', ...env },
  })
  let drawn = Promise.resolve()
  child.onData((data) => {
    const atMs = performance.now() - begun
    drawn = drawn.then(async () => {
      await new Promise<void>((done) => screen.write(data, done))
      frames.push({ atMs, lines: linesOf(screen) })
    })
  })
  await new Promise((ended) => child.onExit(ended))
  await drawn
  screen.dispose()
  return pictureOf(`npx viewkeeper ${args.join(' ')}`, shortened(frames))
}

/** Longer pauses are cut to this, and shorter-lived frames are left out. */
const longestMs = 1200
const shortestMs = 60
const typingMs = 900

/** Without what nobody has the time to see. */
function shortened(frames: Frame[]): Frame[] {
  const seen = frames.filter(
    ({ atMs, lines }, n) =>
      n === frames.length - 1 ||
      (frames[n + 1]!.atMs - atMs >= shortestMs && lines.join() !== frames[n + 1]!.lines.join()),
  )
  let before = 0
  let at = typingMs
  return seen.map(({ atMs, lines }) => {
    at += Math.min(longestMs, atMs - before)
    before = atMs
    return { atMs: Math.round(at), lines }
  })
}

const size = { line: 18, character: 8.43, margin: 14 }

/** The frames one after the other, over and over; where nothing moves, the last one. */
function pictureOf(typed: string, frames: Frame[]): string {
  const lastMs = frames.at(-1)!.atMs
  const wholeMs = lastMs + 5000
  const height = 2 * size.margin + size.line * (1 + Math.max(...frames.map(({ lines }) => lines.length)))
  const width = Math.round(2 * size.margin + columns * size.character)
  const part = (ms: number) => (ms / wholeMs).toFixed(4)
  const shown = frames.map(({ atMs, lines }, n) => {
    const end = frames[n + 1]?.atMs
    const times = end === undefined ? `0;${part(atMs)}` : `0;${part(atMs)};${part(end)}`
    const values = end === undefined ? 'none;inline' : 'none;inline;none'
    return [
      `<g display="${end === undefined ? 'inline' : 'none'}">`,
      `<animate attributeName="display" calcMode="discrete" dur="${wholeMs}ms" repeatCount="indefinite" keyTimes="${times}" values="${values}"/>`,
      ...lines.map((line, at) => (line === '' ? '' : `<text y="${size.line * (at + 1)}">${line}</text>`)),
      '</g>',
    ].join('')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(typed)}</title>`,
    '<style>text{font:14px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#e3e8ee}',
    '.b{font-weight:700}.d{opacity:.62}.c1{fill:#ff8680}.c2{fill:#56c878}.c3{fill:#e8ae45}.c4{fill:#7fb0ff}.c5{fill:#b99bf8}.c6{fill:#4fc9bd}</style>',
    `<rect width="100%" height="100%" rx="8" fill="#0e1217"/><g transform="translate(${size.margin} ${size.margin + 13})">`,
    `<text><tspan class="d">$ </tspan>${escaped(typed)}</text>`,
    ...shown,
    '</g></svg>',
    '',
  ].join('\n')
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The lines of the screen as SVG, without empty ones at the end. Each character has its place, whatever the font. */
function linesOf(screen: InstanceType<typeof xterm.Terminal>): string[] {
  const { active } = screen.buffer
  const lines = Array.from({ length: active.length }, (_, at) => lineOf(active.getLine(at)!))
  while (lines.at(-1) === '') lines.pop()
  return lines
}

type Line = NonNullable<ReturnType<InstanceType<typeof xterm.Terminal>['buffer']['active']['getLine']>>

function lineOf(line: Line): string {
  const pieces: { style: string; text: string; at: number }[] = []
  const end = line.translateToString(true).length
  for (let at = 0; at < end; at++) {
    const cell = line.getCell(at)!
    const text = cell.getChars() || ' '
    const colour = cell.isFgPalette() ? `c${cell.getFgColor() % 8}` : ''
    const style = [cell.isBold() && 'b', cell.isDim() && 'd', colour].filter(Boolean).join(' ')
    const last = pieces.at(-1)
    if (last?.style === style) last.text += text
    else pieces.push({ style, text, at })
  }
  return pieces
    .map(
      ({ style, text, at }) =>
        `<tspan x="${(at * size.character).toFixed(1)}"${style === '' ? '' : ` class="${style}"`}>${escaped(text)}</tspan>`,
    )
    .join('')
}
