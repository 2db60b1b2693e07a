import { readFileSync, writeFileSync } from 'node:fs'
import { drawBars } from '../support/picture.ts'
import type { Row } from '../support/table.ts'
import type { AfterKill } from './kill.ts'

/** What one tool came to; medians of the rounds. */
export interface Compared {
  name: string
  ms: number
  viewsPerSecond: number
  walBytes: number
  longestReadMs: number
  longestReadOnStandbyMs?: number
  /** How many views show the newest data after a refresh of all. */
  fresh: number
  afterKill: AfterKill
}

export interface PeerResults {
  postgres: string
  dbt: string | undefined
  views: number
  rounds: number
  missing: string[]
  compared: Compared[]
  rows: Row[]
}

const docs = new URL('../../docs/', import.meta.url)

/** Keeps the results: as JSON, as a table in docs/benchmarks.md, and as pictures. */
export function writeResults({ rows: _, ...results }: PeerResults): void {
  const { compared } = results
  writeFileSync(new URL('pictures/peers.json', docs), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(new URL('pictures/peers.svg', docs), drawPeers(compared))
  const file = new URL('benchmarks.md', docs)
  const [start, end] = ['<!-- peers: made by `npm run bench -- peers --write` -->', '<!-- end of peers -->']
  const text = readFileSync(file, 'utf8')
  const [before, after] = [text.split(start)[0], text.split(end)[1]]
  writeFileSync(file, `${before}${start}\n${writeMarkdown(compared)}\n${end}${after}`)
}

const tell = (ms: number) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`)

function drawPeers(compared: Compared[]): string {
  const barsOf = (value: (of: Compared) => number | undefined, text: (value: number) => string) =>
    compared.flatMap((of) => {
      const its = value(of)
      if (its === undefined) return []
      return [{ label: of.name, value: its, text: text(its), ours: of.name.startsWith('Viewkeeper') }]
    })
  return drawBars('40 views, refreshed by Viewkeeper and by other tools', [
    { title: 'Longest wait of a reader', bars: barsOf(({ longestReadMs }) => longestReadMs, tell) },
    { title: 'Time for 40 views', bars: barsOf(({ ms }) => ms, tell) },
    {
      title: 'Views with new data after a server process was killed in the middle',
      bars: barsOf(
        ({ afterKill }) => afterKill.fresh,
        (fresh) => `${fresh} of 40`,
      ),
    },
  ])
}

function writeMarkdown(compared: Compared[]): string {
  const head = [
    'tool',
    '40 views',
    'views a second',
    'WAL',
    'longest read',
    'on a standby',
    'in order',
    'after `kill -9`: new data',
    'on record',
  ]
  const lines = compared.map((of) => [
    of.name,
    tell(of.ms),
    of.viewsPerSecond.toFixed(1),
    `${Math.round(of.walBytes / 1e6)} MB`,
    tell(of.longestReadMs),
    of.longestReadOnStandbyMs === undefined ? '' : tell(of.longestReadOnStandbyMs),
    `${of.fresh} of 40`,
    `${of.afterKill.fresh} of 40`,
    of.afterKill.record.replaceAll('|', '/').replaceAll('\n', ' '),
  ])
  const rule = head.map((_, at) => (at === 0 || at === head.length - 1 ? '---' : '---:'))
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
