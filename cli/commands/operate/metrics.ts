import type { Command } from 'commander'
import { readMetrics, readRefreshes } from '../../../src/api/ask.ts'
import { bySlowness, metricColumns } from '../../../src/resources/metrics.ts'
import { pairLines, tableOf } from '../../output/table.ts'
import { isTerminal } from '../../output/terminal.ts'
import { plotPairs } from '../../output/views.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

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
