import type { Command } from 'commander'
import type { PauseState } from '../../../src/edge/http/schemas/answers.ts'
import { command } from '../../../src/plan/commands.ts'
import { Problem } from '../../../src/problem.ts'
import { paint } from '../../../src/terminal/paint.ts'
import { apiOf } from '../../api/api-of.ts'
import { readView, viewPath } from '../../api/reads.ts'
import { short } from '../../output/names.ts'
import { print } from '../../output/terminal.ts'
import { operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface PauseOptions extends ApiOptions {
  views: string[]
  all?: boolean
}

/** Declares `pause` and `resume`. */
export function addTo(program: Command): void {
  operating(program, 'pause')
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
    .action((views, options) => pause({ views, ...options }))

  operating(program, 'resume')
    .argument('[view...]')
    .description('end a pause')
    .option('--all', 'the pause of everything')
    .action((views, options) => resume({ views, ...options }))
}

/** Pauses views, or all schedules and deploys. */
export const pause = (options: PauseOptions): Promise<void> => change('pause', options)

/** Ends the pause of views, or of all schedules and deploys. */
export const resume = (options: PauseOptions): Promise<void> => change('resume', options)

async function change(verb: 'pause' | 'resume', { views, all, ...options }: PauseOptions): Promise<void> {
  if (views.length > 0 === (all ?? false))
    throw new Problem('InvalidRequest', `Either name the views to ${verb}, or write --all.`, {
      field: 'view',
    })
  const api = await apiOf(options)
  const done = paint('green', '✓')
  if (all) {
    await api.send('POST', `/${verb}`)
    if (verb === 'resume')
      return print(`${done} schedules and deploys refresh views again; views that are paused by name stay so`)
    return print(
      `${done} everything is paused: schedules and deploys refresh nothing, requests still do`,
      `  to end it: ${command(['resume', '--all'], api.typed)}`,
    )
  }
  // Nothing is begun if one of the names is wrong.
  if (views.length > 1) for (const name of views) await readView(api, name)
  for (const name of views) {
    const { body } = await api.send<PauseState>('POST', viewPath(name, `/${verb}`))
    print(
      `${done} ${short(body.view ?? name)} is ${verb === 'pause' ? 'paused: it is not refreshed, and never stale' : 'paused no longer'}`,
    )
  }
  if (verb === 'pause') print(`  to end it: ${command(['resume', ...views], api.typed)}`)
}
