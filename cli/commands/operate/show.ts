import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readView } from '../../api/reads.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { viewLines } from '../../output/views.ts'
import { json, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface ShowOptions extends ApiOptions {
  view: string
  sql?: boolean
  json?: boolean
}

/** Declares `show`. */
export function addTo(program: Command): void {
  operating(program, 'show')
    .argument('<view>')
    .description('show one view: limit, schedule, indexes, last runs')
    .option('--sql', 'print only its query')
    .option(...json)
    .action((view, options) => show({ view, ...options }))
}

/** Prints one view with its indexes and last runs; with `sql` only its query. */
export async function show({ view: name, sql, json, ...options }: ShowOptions): Promise<void> {
  const view = await readView(await apiOf(options), name)
  if (json) return printJson(view)
  if (sql) return print(view.sql ?? '-- A running refresh blocks reading the query: look again later.')
  print(...viewLines(view, new Date(), output()))
}
