import type { Command } from 'commander'
import { readRefreshes, readView } from '../../../src/api/ask.ts'
import { isTerminal } from '../../output/terminal.ts'
import { plotPairs, viewLines } from '../../output/views.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `show`, which prints one view with its indexes and last runs. */
export function addTo(program: Command): void {
  operating(program, 'show')
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
    .action(async (name, { sql, ...asking }) => {
      await answer(
        asking,
        (api) => readView(api, name),
        async (view, { api, now, output }) => {
          if (sql) return [view.sql ?? '-- A running refresh blocks reading the query: look again later.']
          const refreshes = await readRefreshes(api, view.view)
          return viewLines(
            view,
            now,
            output,
            plotPairs(refreshes, { now, width: output.width, drawn: isTerminal() }),
          )
        },
      )
    })
}
