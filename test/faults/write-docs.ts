import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Outcome, type Rounds, results } from './support/results.ts'

// Writes the outcomes of the last run of the suite, in which nothing failed: each into docs/data/faults.json, a summary into
// docs/faults.md.

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

/** What kept a cell from ending at once with new data: the classes of its runs, or what its caller was told. */
const errorsOf = ({ told, runs }: Outcome): string[] =>
  (runs.length > 0 ? runs : [told.split(':')[0] as string]).filter(
    (end) => !['success', 'skipped'].includes(end),
  )

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
const rows = faults.map(([fault, cells]) => {
  const errors = cells.map(errorsOf)
  const fine = errors.filter(({ length }) => length === 0).length
  return `| ${fault} | ${cells.length} | ${fine} | ${[...new Set(errors.flat())].join(', ')} |`
})
const [major] = (process.env.POSTGRES ?? '18').split('.')
const day = new Date().toISOString().slice(0, 10)
writeFileSync(
  docs('data/faults.json'),
  `${JSON.stringify({ postgres: major, day, outcomes: ends, rounds }, null, 2)}\n`,
)
const random = rounds.map(({ rounds: what, strikes, ends: counted }) => {
  const told = Object.entries(counted).map(([end, count]) => `${end} ${count}`)
  return `| ${what} | ${strikes} | ${told.join(', ')} |`
})
const table = `PostgreSQL ${major}, ${day}: ${outcomes.length} cells.

| fault | cells | fine | errors of the others |
|---|---:|---:|---|
${rows.join('\n')}

| at random moments | times | ends of the runs |
|---|---:|---|
${random.join('\n')}
`
const mark = '<!-- outcomes -->\n'
const [text = ''] = readFileSync(page, 'utf8').split(mark)
writeFileSync(page, `${text}${mark}\n${table}`)
