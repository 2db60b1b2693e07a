import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readRefreshes, readView } from '../../api/reads.ts'
import { plotPairs } from '../../output/plots.ts'
import { isTerminal, output, print, printJson } from '../../output/terminal.ts'
import { viewLines } from '../../output/views.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface ShowOptions extends ApiOptions {
  view: string
  sql?: boolean
  json?: boolean
}

/** Declares `show`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'show'))
    .argument('<view>')
    .description('show one view: limit, schedule, indexes, last runs')
    .option('--sql', 'print only its query')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper show sales
  viewkeeper show sales --sql > sales.sql`,
    )
    .action((view, options) => show({ view, ...options }))
}

/** Prints one view with its indexes and last runs; with `sql` only its query. */
export async function show({ view: name, sql, json, ...options }: ShowOptions): Promise<void> {
  const api = await apiOf(options)
  const view = await readView(api, name)
  if (json) return printJson(view)
  if (sql) return print(view.sql ?? '-- A running refresh blocks reading the query: look again later.')
  const [now, out] = [new Date(), output()]
  const plots = plotPairs(await readRefreshes(api, view.view), { now, width: out.width, drawn: isTerminal() })
  print(...viewLines(view, now, out, plots))
}
