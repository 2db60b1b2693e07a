import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Outcome, type Rounds, results } from './support/results.ts'

// Writes the outcomes of the last run of the suite, in which nothing failed, into docs/faults.md.

const page = fileURLToPath(new URL('../../docs/faults.md', import.meta.url))
const noted: (Outcome | Rounds)[] = readFileSync(results, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
const outcomes = noted.filter((each) => 'fault' in each)
const rounds = noted
  .filter((each) => 'rounds' in each)
  .map(({ rounds, strikes, seed, ends }) => {
    const counted = Object.entries(ends).map(([end, count]) => `${end} ${count}`)
    return `| ${rounds} | ${strikes} | ${seed} | ${counted.join(', ')} |`
  })

const groups = (cells: Outcome[], by: (cell: Outcome) => string): [string, Outcome[]][] =>
  Object.entries(Object.groupBy(cells, by)).map(([name, same = []]) => [name, same])

/** How the runs of a cell ended, each end once, and who went on. */
const endOf = ({ told, runs, settled }: Outcome): string =>
  `${[...new Set(runs)].join(', ') || `no run (${told})`}${settled ? '; then gone on with' : ''}`

const rows = groups(outcomes, ({ fault }) => fault)
  .toSorted(([one], [other]) => one.localeCompare(other))
  .flatMap(([fault, ofFault]) =>
    groups(ofFault, endOf).map(([end, same]) => {
      const ways = groups(same, ({ way }) => way).map(
        ([way, cells]) => `${way} (${cells.map(({ phase }) => phase).join(', ')})`,
      )
      return `| ${fault} | ${end} | ${same.length} | ${ways.join('; ')} |`
    }),
  )
const isBounded = groups(outcomes, ({ fault, way }) => `${fault}: ${way}`).every(
  ([, { length }]) => length === 1,
)
const [major] = (process.env.POSTGRES ?? '18').split('.')
const run = isBounded
  ? 'the bounded run, `npx vitest run --project faults`: each fault once in each way, and what takes long in every third one'
  : '`npm run test:faults`: each fault in each phase of each way'
const table = `From ${run}. PostgreSQL ${major}, ${new Date().toISOString().slice(0, 10)}, ${outcomes.length} cells, each of them true at its end.

| fault | ends | cells | ways (phases) |
|---|---|---|---|
${rows.join('\n')}

At random moments, by a seed:

| what | how often | seed | ends of the runs |
|---|---|---|---|
${rounds.join('\n')}
`
const mark = '<!-- outcomes -->\n'
const [text = ''] = readFileSync(page, 'utf8').split(mark)
writeFileSync(page, `${text}${mark}\n${table}`)
