import type { Command } from 'commander'
import { Problem } from '../../../src/problem.ts'
import { allPausedMeans, pausedMeans } from '../../../src/resources/views.ts'
import { command } from '../../../src/sql/commands.ts'
import { paint } from '../../../src/terminal/paint.ts'
import { apiOf } from '../../api/api-of.ts'
import { ask } from '../../api/ask.ts'
import { readView } from '../../api/reads.ts'
import { short } from '../../output/names.ts'
import { print } from '../../output/terminal.ts'
import { type Asking, operating } from '../flags.ts'

/** Declares `pause` and `resume`. */
export function addTo(program: Command): void {
  operating(program, 'pause', [])
    .argument('[view...]')
    .description('keep views from being refreshed')
    .option('--all', 'everything: schedules and deploys refresh nothing')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper pause sales     nothing refreshes sales
  viewkeeper pause --all     schedules and deploys refresh nothing`,
    )
    .action((views, { all, ...asking }) => change('pause', { views, all }, asking))

  operating(program, 'resume', [])
    .argument('[view...]')
    .description('end a pause')
    .option('--all', 'the pause of everything')
    .action((views, { all, ...asking }) => change('resume', { views, all }, asking))
}

/** Pauses views, or all schedules and deploys; or ends that. */
async function change(
  verb: 'pause' | 'resume',
  { views, all }: { views: string[]; all: true | undefined },
  asking: Asking,
): Promise<void> {
  if (views.length > 0 === (all ?? false))
    throw new Problem('InvalidRequest', `Either name the views to ${verb}, or write --all.`, {
      field: 'view',
    })
  const api = await apiOf(asking)
  const done = paint('green', '✓')
  if (all) {
    await ask(api, `${verb}All`, {})
    if (verb === 'resume')
      return print(`${done} schedules and deploys refresh views again; views that are paused by name stay so`)
    return print(
      `${done} everything is paused: ${allPausedMeans}`,
      `  to end it: ${command(['resume', '--all'], api.typed)}`,
    )
  }
  // Nothing is begun if one of the names is wrong.
  if (views.length > 1) for (const name of views) await readView(api, name)
  for (const name of views) {
    const { view = name } = await ask(api, `${verb}View`, { view: name })
    print(`${done} ${short(view)} is ${verb === 'pause' ? `paused: ${pausedMeans}` : 'paused no longer'}`)
  }
  if (verb === 'pause') print(`  to end it: ${command(['resume', ...views], api.typed)}`)
}
