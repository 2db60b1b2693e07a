import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Outcome, type Rounds, results } from './support/results.ts'

// Writes the outcomes of the last run of the suite, in which nothing failed: each into docs/data/faults.json, and how many there
// were into docs/faults.md.

const docs = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url))
const page = docs('faults.md')
const noted: (Outcome | Rounds)[] = readFileSync(results, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
const outcomes = noted.filter((each) => 'fault' in each)
const rounds = noted.filter((each) => 'rounds' in each)

const groups = (cells: Outcome[], by: (cell: Outcome) => string): [string, Outcome[]][] =>
  Object.entries(Object.groupBy(cells, by)).map(([name, same = []]) => [name, same])

/** How the runs of a cell ended, each end once, and who went on. */
const endOf = ({ told, runs, settled }: Outcome): string =>
  `${[...new Set(runs)].join(', ') || `no run (${told})`}${settled ? '; then gone on with' : ''}`

const faults = groups(outcomes, ({ fault }) => fault).toSorted(([one], [other]) => one.localeCompare(other))
const ends = faults.flatMap(([fault, ofFault]) =>
  groups(ofFault, endOf).map(([end, same]) => ({
    fault,
    ends: end,
    cells: same.length,
    ways: groups(same, ({ way }) => way)
      .map(([way, cells]) => `${way} (${cells.map(({ phase }) => phase).join(', ')})`)
      .join('; '),
  })),
)
const [major] = (process.env.POSTGRES ?? '18').split('.')
const day = new Date().toISOString().slice(0, 10)
writeFileSync(
  docs('data/faults.json'),
  `${JSON.stringify({ postgres: major, day, outcomes: ends, rounds }, null, 2)}\n`,
)
const told = rounds.map(({ rounds: what, strikes, ends: counted }) => {
  const each = Object.entries(counted).map(([end, count]) => `${end} ${count}`)
  return `- ${strikes} times, ${what}: ${each.join(', ')}`
})
const summary = `PostgreSQL ${major}, ${day}: ${outcomes.length} cells, ${faults.length} faults. At random moments besides:

${told.join('\n')}
`
const mark = '<!-- outcomes -->\n'
const [text = ''] = readFileSync(page, 'utf8').split(mark)
writeFileSync(page, `${text}${mark}\n${summary}`)
