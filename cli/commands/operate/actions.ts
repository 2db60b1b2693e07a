import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import { ask } from '../../../src/api/ask.ts'
import { actionNames } from '../../../src/record/plan/action-words.ts'
import { actionColumns } from '../../../src/resources/run-facts.ts'
import { between, list, operating, positive } from '../asking.ts'

/** Declares `actions`, which lists who did what, newest first. */
export function addTo(program: Command): void {
  operating(program, 'actions', ['json', 'name', 'wide'])
    .argument('[view]', 'only what concerns this view')
    .description('list who did what: who paused, canceled, forced, dropped, and when')
    .addOption(new Option('--action <name>', 'only this action').choices(actionNames))
    .option('--since <when>', 'only actions since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only actions before that time, in the same form')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper actions sales               who paused, canceled or forced what of one view
  viewkeeper actions --action pause      who paused, and when
  viewkeeper actions --since 12h -o wide with the options and the whole names of the callers`,
    )
    .action(async (view, { action, since, until, limit, ...asking }) => {
      const query = { view, action, limit, ...between({ since, until }) }
      await list(asking, async (api) => (await ask(api, 'listActions', { query })).actions, {
        columns: actionColumns,
        nameOf: ({ id }) => id,
        none: view === undefined ? 'no such action' : `no such action on ${view}`,
      })
    })
}
