import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readMetrics } from '../../api/reads.ts'
import { metricsTable } from '../../output/metrics.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { json, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface MetricsOptions extends ApiOptions {
  view?: string
  window: string
  json?: boolean
}

/** Declares `metrics`. */
export function addTo(program: Command): void {
  operating(program, 'metrics')
    .argument('[view]')
    .description('show how long refreshes take, how often they fail')
    .option('--window <time>', 'how far back: 90m, 24h, 7d', '24h')
    .option(...json)
    .action((view, options) => metrics({ view, ...options }))
}

/** Prints how often views were refreshed, how long that took, and how often it failed; the slowest first. */
export async function metrics({ view, window, json, ...options }: MetricsOptions): Promise<void> {
  const api = await apiOf(options)
  const list = await readMetrics(api, { view, window })
  if (json) return printJson(list)
  if (list.length === 0) return print('no view has metrics yet')
  print(...metricsTable(list, new Date(), output()))
}
