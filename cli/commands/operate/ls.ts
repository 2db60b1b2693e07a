import { type Command, Option } from 'commander'
import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { command } from '../../../src/plan/commands.ts'
import {
  type AnyState,
  type Filter,
  filterNames,
  filters,
  states,
  wordsOfState,
} from '../../../src/plan/diagnosis/state.ts'
import { matchesGlob } from '../../../src/plan/glob.ts'
import { lagLine } from '../../../src/plan/replicas.ts'
import { moment } from '../../../src/plan/words.ts'
import { apiOf } from '../../api/api-of.ts'
import { noView } from '../../api/no-view.ts'
import { readViews } from '../../api/reads.ts'
import { typed } from '../../output/names.ts'
import { outputAs, print, printJson } from '../../output/terminal.ts'
import { type Order, sorted, summaryOf, viewsTable } from '../../output/views.ts'
import { harmless } from '../../output/width.ts'
import { type Format, formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface LsOptions extends ApiOptions, Partial<Record<Filter, boolean>> {
  patterns: string[]
  sort?: Order
  json?: boolean
  output?: Format
}

/** Declares `ls`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'ls'), ['json', 'name', 'wide'])
    .argument('[pattern...]', "globs on the views' names, such as 'sales.*'")
    .description('list views: what is stale or failed comes first')
    .option('--stale', 'only views that are older than their limit, or of which nobody knows the age')
    .option('--failed', 'only views of which a refresh failed, and none has succeeded since')
    .option('--held-back', 'only views that wait for another view')
    .option('--unknown', 'only views of whose data nobody knows the age')
    .option('--running', 'only views that are being refreshed')
    .option('--paused', 'only views that are paused')
    .option('--aside', 'only views that are set aside for a change of a table')
    .option('--missing', 'only views that somebody has dropped')
    .option('--unpopulated', 'only views that are in the database without data')
    .addOption(new Option('--sort <by>', 'sort by').choices(['age', 'name', 'rows', 'duration', 'next']))
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper ls --stale --failed            what needs you
  viewkeeper ls 'app.*' --sort duration -o wide
  viewkeeper ls --stale -o name | xargs viewkeeper refresh`,
    )
    .action((patterns, options) => ls({ patterns, ...options }))
}

/** Lists views: those in trouble first. With several states, views that are in any of them. */
export async function ls({
  patterns,
  sort,
  json,
  output: format,
  env,
  url,
  ...wanted
}: LsOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const { views, paused, replicas } = await readViews(api)
  const named = patterns.length === 0 ? views : matching(views, patterns)
  const chosen = filterNames.filter((state) => wanted[state])
  const shown =
    chosen.length === 0 ? named : named.filter((view) => chosen.some((state) => filters[state](view)))
  const list = sorted(shown, sort)
  if (json) return printJson({ views: list, paused, replicas })
  if (format === 'name') return print(...list.map(({ view }) => typed(view)))
  const [now, out] = [new Date(), outputAs(format)]
  if (paused !== null)
    print(
      `${out.paint('yellow', '!')} everything is paused since ${moment(paused.since, now)} by ${harmless(paused.by)}: schedules and deploys refresh nothing`,
      `  next: ${command(['resume', '--all'], api.typed)}`,
      '',
    )
  if (list.length === 0) return print(noneLine(named, chosen))
  print(
    ...viewsTable(list, now, out),
    '',
    chosen.length === 0 ? summaryOf(list) : someLine(list, named, chosen),
  )
  const lag = replicas === undefined ? null : lagLine(replicas) // an older version answers without
  if (lag !== null) print(harmless(lag))
  const worst = list.find(({ state }) => ['bad', 'warn'].includes(wordsOfState(state).tone))
  if (worst) print(`next: ${command(['why', typed(worst.view)], api.typed)}`)
}

/** The views that any of the patterns fits: a glob on `schema.name` or on the name alone, or a name. */
function matching(views: View[], patterns: string[]): View[] {
  const fits = (pattern: string) => (view: View) =>
    [[view.name], [view.schema, view.name]].some((name) => matchesGlob(pattern, name))
  const unknown = patterns.find((pattern) => !views.some(fits(pattern)))
  if (unknown !== undefined) throw noView(unknown, views)
  return views.filter((view) => patterns.some((pattern) => fits(pattern)(view)))
}

const noneLine = (named: View[], chosen: Filter[]): string =>
  named.length === 0
    ? 'There is no materialized view in this database.'
    : `no ${wordsOf(chosen)} view, of ${named.length}`

/** What the filters select that is no state alone. */
const filterWords: Partial<Record<Filter, string>> = { stale: 'stale or unknown', running: 'running' }

const wordsOf = (chosen: Filter[]): string =>
  chosen.map((filter) => filterWords[filter] ?? states[filter as AnyState].word).join(' or ')

const someLine = (list: View[], named: View[], chosen: Filter[]): string =>
  `${list.length} ${wordsOf(chosen)} ${list.length === 1 ? 'view' : 'views'} of ${named.length}`
