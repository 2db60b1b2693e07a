import type { Command } from 'commander'
import type { ViewMetrics } from '../../../src/api/answers.ts'
import { readMetrics, readRefreshes } from '../../../src/api/ask.ts'
import type { Column } from '../../../src/resources/cell.ts'
import { duration } from '../../../src/words/phrases.ts'
import { pairLines, tableOf } from '../../output/table.ts'
import { isTerminal } from '../../output/terminal.ts'
import { plotPairs } from '../../output/view-lines.ts'
import { answer, operating } from '../asking.ts'

/** Declares `metrics`, which prints how often views were refreshed, how long that took, and how often it failed. */
export function addTo(program: Command): void {
  operating(program, 'metrics')
    .argument('[view]')
    .description('show how long refreshes take, how often they fail')
    .option('--window <time>', 'how far back: 90m, 24h, 7d', '24h')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper metrics                    every view, the slowest first
  viewkeeper metrics sales --window 7d  one view, with its curve`,
    )
    .action(async (view, { window, ...asking }) => {
      await answer(
        asking,
        (api) => readMetrics(api, { view, window }),
        async (found, { api, now, output }) => {
          const [first] = found
          if (first === undefined) return ['no view has metrics yet']
          const table = tableOf(metricColumns, bySlowness(found), now, output)
          if (view === undefined) return table
          const runs = await readRefreshes(api, first.view)
          const plots = plotPairs(runs, { now, width: output.width, drawn: isTerminal() })
          return plots.length === 0 ? table : [...table, '', ...pairLines(plots, output)]
        },
      )
    })
}

const took = (
  title: string,
  of: (metrics: ViewMetrics) => number | null | undefined,
  leaveOut: number,
): Column<ViewMetrics> => ({
  name: title.toLowerCase(),
  title,
  cell: (metrics) => {
    const ms = of(metrics)
    return ms == null ? null : duration(ms)
  },
  number: true,
  leaveOut,
})

/** The table of the metrics of views. */
const metricColumns: Column<ViewMetrics>[] = [
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'runs', title: 'Runs', cell: ({ runs }) => String(runs), number: true },
  {
    name: 'success',
    title: 'Success',
    cell: ({ successRate }) =>
      successRate === null
        ? null
        : { text: `${Math.floor(successRate * 100)}%`, tone: successRate < 1 ? 'bad' : undefined },
    number: true,
  },
  took('Average', ({ averageMs }) => averageMs, 0),
  took('P95', ({ p95Ms }) => p95Ms, 2),
  took('Longest', ({ maxMs }) => maxMs, 3),
  took('Usual', ({ usualMs }) => usualMs, 4),
  took('Checks', ({ checksMs }) => checksMs, 5),
  {
    name: 'failure',
    title: 'Last failure',
    cell: ({ lastFailure }) =>
      lastFailure && [lastFailure.class && `${lastFailure.class} `, { past: lastFailure.at }],
    leaveOut: 1,
  },
]

/** Metrics in their order: what took longest comes first. */
const bySlowness = (list: ViewMetrics[]): ViewMetrics[] => {
  const totalMs = ({ averageMs, succeeded }: ViewMetrics) => (averageMs ?? 0) * succeeded
  return list.toSorted((a, b) => totalMs(b) - totalMs(a))
}
