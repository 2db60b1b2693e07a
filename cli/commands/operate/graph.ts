import type { Command } from 'commander'
import { readersOf, readView, readViews } from '../../../src/api/ask.ts'
import { apiOf } from '../../api/api-of.ts'
import { graphLines } from '../../output/graph.ts'
import { isTerminal, output, print, printJson } from '../../output/terminal.ts'
import { operating } from '../flags.ts'

/** Declares `graph`, which prints the views as trees, each with how it stands; of one view what reads it. */
export function addTo(program: Command): void {
  operating(program, 'graph')
    .argument('[view]', 'only this view and what reads it')
    .description('draw the views, what reads them, and their states')
    .action(async (name, { json, ...named }) => {
      const api = await apiOf(named)
      const from = name === undefined ? undefined : (await readView(api, name)).view
      const { views } = await readViews(api)
      const shown = new Set(
        from === undefined ? views.map(({ view }) => view) : [from, ...readersOf(from, views)],
      )
      if (json)
        return printJson(
          views
            .filter(({ view }) => shown.has(view))
            .map(({ view, dependsOn, neededBy }) => ({ view, dependsOn, neededBy })),
        )
      if (views.length === 0) return print('There is no materialized view in this database.')
      print(...graphLines(views, { ...output(), now: new Date(), drawn: isTerminal(), from }))
    })
}
