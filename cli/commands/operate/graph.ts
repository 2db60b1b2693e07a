import type { Command } from 'commander'
import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { apiOf } from '../../api/api-of.ts'
import { readView, readViews } from '../../api/reads.ts'
import { graphLines } from '../../output/graph.ts'
import { isTerminal, output, print, printJson } from '../../output/terminal.ts'
import { formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'
import { readersOf } from './readers.ts'

interface GraphOptions extends ApiOptions {
  view?: string
  json?: boolean
}

/** Declares `graph`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'graph'))
    .argument('[view]', 'only this view and what reads it')
    .description('draw which views read which, and how they stand')
    .action((view, options) => graph({ view, ...options }))
}

/** Prints the views as trees, each with how it stands; of one view what reads it. */
export async function graph({ view, json, ...options }: GraphOptions): Promise<void> {
  const api = await apiOf(options)
  const from = view === undefined ? undefined : (await readView(api, view)).view
  const { views } = await readViews(api)
  if (json)
    return printJson(
      fromOn(views, from).map(({ view, dependsOn, neededBy }) => ({ view, dependsOn, neededBy })),
    )
  if (views.length === 0) return print('There is no materialized view in this database.')
  print(...graphLines(views, { ...output(), now: new Date(), drawn: isTerminal(), from }))
}

/** A view and what reads it, directly or not; without a view all. */
function fromOn(views: View[], from: string | undefined): View[] {
  if (from === undefined) return views
  const below = new Set([from, ...readersOf(from, views)])
  return views.filter(({ view }) => below.has(view))
}
