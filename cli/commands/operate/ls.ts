import { type Command, Option } from 'commander'
import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { matchesGlob } from '../../../src/plan/batches/glob.ts'
import { command } from '../../../src/plan/commands.ts'
import { type Filter, filterNames, filters } from '../../../src/plan/views/state.ts'
import { moment } from '../../../src/plan/words.ts'
import { apiOf } from '../../api/api-of.ts'
import { noView } from '../../api/no-view.ts'
import { readViews } from '../../api/reads.ts'
import { short, typed } from '../../output/names.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { type Order, sorted, summaryOf, viewsTable } from '../../output/views.ts'
import { harmless } from '../../output/width.ts'
import { json, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface LsOptions extends ApiOptions, Partial<Record<Filter, boolean>> {
  patterns: string[]
  sort?: Order
  json?: boolean
}

/** Declares `ls`. */
export function addTo(program: Command): void {
  operating(program, 'ls')
    .argument('[pattern...]', "globs on the views' names, such as 'sales.*'")
    .description('list views: what is stale or failed comes first')
    .option('--stale', 'only views that are older than their limit')
    .option('--failed', 'only views whose last run failed')
    .option('--running', 'only views that are being refreshed')
    .option('--paused', 'only views that are paused')
    .option('--missing', 'only views that somebody has dropped')
    .addOption(new Option('--sort <by>', 'sort by').choices(['age', 'name', 'rows', 'duration', 'next']))
    .option(...json)
    .action((patterns, options) => ls({ patterns, ...options }))
}

/** Lists views: those in trouble first. With several states, views that are in any of them. */
export async function ls({ patterns, sort, json, env, url, ...wanted }: LsOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const { views, paused } = await readViews(api)
  const named = patterns.length === 0 ? views : matching(views, patterns)
  const chosen = filterNames.filter((state) => wanted[state])
  const shown =
    chosen.length === 0 ? named : named.filter((view) => chosen.some((state) => filters[state](view)))
  const list = sorted(shown, sort)
  if (json) return printJson({ views: list, paused })
  const [now, out] = [new Date(), output()]
  if (paused !== null)
    print(
      `${out.paint('yellow', '!')} everything is paused since ${moment(paused.since, now)} by ${harmless(paused.by)}: schedules and deploys refresh nothing`,
      `  next: ${command(['resume', '--all'], api.environment)}`,
      '',
    )
  if (list.length === 0) return print(noneLine(named, chosen))
  print(
    ...viewsTable(list, now, out),
    '',
    chosen.length === 0 ? summaryOf(list) : someLine(list, named, chosen),
  )
  const worst = list.find(({ stale, lastRun, missing }) => stale || missing || lastRun?.status === 'failed')
  if (worst) print(`next: ${command(['why', typed(worst.view)], api.environment)}`)
}

/** The views that any of the patterns fits: a glob on `schema.name` or on the name alone, or a name. */
function matching(views: View[], patterns: string[]): View[] {
  const fits = (pattern: string) => (view: View) =>
    [view.view, short(view.view), view.name, `${view.schema}.${view.name}`].some((name) =>
      matchesGlob(pattern, name),
    )
  const unknown = patterns.find((pattern) => !views.some(fits(pattern)))
  if (unknown !== undefined) throw noView(unknown, views)
  return views.filter((view) => patterns.some((pattern) => fits(pattern)(view)))
}

const noneLine = (named: View[], chosen: Filter[]): string =>
  named.length === 0
    ? 'There is no materialized view in this database.'
    : `no ${chosen.join(' or ')} view, of ${named.length}`

const someLine = (list: View[], named: View[], chosen: Filter[]): string =>
  `${list.length} ${chosen.join(' or ')} ${list.length === 1 ? 'view' : 'views'} of ${named.length}`
