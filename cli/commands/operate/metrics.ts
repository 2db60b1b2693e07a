import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readMetrics, readRefreshes } from '../../api/reads.ts'
import { metricsTable } from '../../output/metrics.ts'
import { plotPairs } from '../../output/plots.ts'
import { pairLines } from '../../output/table.ts'
import { isTerminal, output, print, printJson } from '../../output/terminal.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface MetricsOptions extends ApiOptions {
  view?: string
  window: string
  json?: boolean
}

/** Declares `metrics`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'metrics'))
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
    .action((view, options) => metrics({ view, ...options }))
}

/** Prints how often views were refreshed, how long that took, and how often it failed; the slowest first. */
export async function metrics({ view, window, json, ...options }: MetricsOptions): Promise<void> {
  const api = await apiOf(options)
  const list = await readMetrics(api, { view, window })
  if (json) return printJson(list)
  if (list.length === 0) return print('no view has metrics yet')
  const [now, out] = [new Date(), output()]
  print(...metricsTable(list, now, out))
  if (view === undefined || list[0] === undefined) return
  const runs = await readRefreshes(api, list[0].view)
  const plots = plotPairs(runs, { now, width: out.width, drawn: isTerminal() })
  if (plots.length > 0) print('', ...pairLines(plots, out))
}
