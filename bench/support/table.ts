import type { Sample } from './measure.ts'
import { median, type Summary, summarize } from './measure.ts'

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
