import { type Command, Option } from 'commander'
import type { Action, ActionList } from '../../../src/edge/http/schemas/answers.ts'
import { aboutOf, actionNames, askedOf, optionsOf, personOf } from '../../../src/plan/actions.ts'
import { ago } from '../../../src/plan/words.ts'
import { apiOf } from '../../api/api-of.ts'
import { short } from '../../output/names.ts'
import { type Column, tableLines } from '../../output/table.ts'
import { outputAs, print, printJson } from '../../output/terminal.ts'
import { positive } from '../arguments.ts'
import { type Format, formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'
import { momentOf } from './runs.ts'

interface ActionsOptions extends ApiOptions {
  view?: string
  action?: string
  since?: string
  until?: string
  limit: number
  json?: boolean
  output?: Format
}

/** Declares `actions`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'actions'), ['json', 'name', 'wide'])
    .argument('[view]', 'only what concerns this view')
    .description('list what people did by hand: who paused, canceled, forced, dropped, and when')
    .addOption(new Option('--action <name>', 'only this action').choices(actionNames))
    .option('--since <when>', 'only actions since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only actions before then, written alike')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper actions sales               who paused, canceled or forced what of one view
  viewkeeper actions --action pause      who paused, and when
  viewkeeper actions --since 12h -o wide with the options and the whole names of the callers`,
    )
    .action((view, options) => actions({ view, ...options }))
}

/** Lists what people did by hand, newest first. */
export async function actions({ json, output: format, env, url, ...filter }: ActionsOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const now = new Date()
  const moment = (option: string, text: string | undefined) => text && momentOf(option, text, now)
  const query = {
    ...filter,
    since: moment('--since', filter.since),
    until: moment('--until', filter.until),
  }
  const { actions: list } = (await api.send<ActionList>('GET', '/actions', { query })).body
  if (json) return printJson(list)
  if (format === 'name') return print(...list.map(({ id }) => String(id)))
  if (list.length === 0)
    return print(filter.view === undefined ? 'no such action' : `no such action on ${filter.view}`)
  print(...tableLines(columns(now, format === 'wide'), list, outputAs(format)))
}

const columns = (now: Date, wide: boolean): Column<Action>[] => [
  { title: 'WHEN', cell: ({ at }) => (wide ? at : ago(now.getTime() - Date.parse(at))) },
  { title: 'ACTION', cell: askedOf },
  { title: 'WHAT', cell: (action) => aboutOf({ ...action, views: action.views.map(short) }) },
  { title: 'BY', cell: ({ requestedBy }) => (wide ? requestedBy : personOf(requestedBy)), least: 16 },
  {
    title: 'RUN',
    cell: ({ runId }) => (runId === null ? '' : String(runId)),
    right: true,
    leaveOut: 2,
  },
  { title: 'WITH', cell: optionsOf, style: () => 'dim', leaveOut: 1 },
]
