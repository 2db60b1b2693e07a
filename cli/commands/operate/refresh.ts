import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import { readViews } from '../../../src/api/ask.ts'
import { selectViews } from '../../../src/batch/plan/selection.ts'
import { rowCountStrategies, strategies } from '../../../src/catalog/plan/definition.ts'
import { exchanges } from '../../../src/catalog/plan/run.ts'
import { Problem } from '../../../src/problem.ts'
import { isGlob, matchesGlob } from '../../../src/sql/glob.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { noView, parseSelect } from '../../project/names.ts'
import { startBatch, startRun } from '../../watch/start.ts'
import { type Asking, natural, operating, positive, watched } from '../flags.ts'

interface RefreshOptions extends Asking {
  views: string[]
  all?: true
  select?: string[]
  strategy?: string
  concurrently?: true
  force?: true
  withoutChecks?: true
  count?: string
  timeout?: number
  slices?: string
  by?: string
  atOnce?: number
  retries?: number
  exchange?: string
  wait: boolean
}

/** Declares `refresh`. */
export function addTo(program: Command): void {
  watched(operating(program, 'refresh'))
    .argument('[view...]', 'sales, app.sales, or as --select has it: sales+, +sales')
    .description('refresh views in dependency order, and watch')
    .option('--all', 'every view, except those whose definition says inAll: false')
    .option(
      '--select <glob...>',
      "views whose name fits: 'sales.*'; +glob: also what they read; glob+: also what reads them",
    )
    .addOption(
      new Option('--strategy <name>', 'how to refresh (default: as its definition says)').choices(strategies),
    )
    .option('--concurrently', 'the same as --strategy concurrent')
    .option('--force', 'one view: even if it is paused or was refreshed a moment ago')
    .option('--without-checks', 'show the new data without its checks; viewkeeper actions names you')
    .addOption(new Option('--count <how>', 'one view: count its rows').choices(rowCountStrategies))
    .option('--timeout <seconds>', 'one view: the longest time on the server', positive)
    .option('--slices <from..to>', 'one view: compute only these rows anew, and keep all others')
    .option('--by <column>', 'by which column, if the view falls into slices of several')
    .option('--at-once <n>', 'several views: how many at once (default: 2)', positive)
    .option(
      '--retries <n>',
      'several views: how often to try a view again (default: as its definition says)',
      natural,
    )
    .addOption(
      new Option(
        '--exchange <how>',
        'several views: exchange those that read each other together or each',
      ).choices(exchanges),
    )
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper refresh sales -e production     one view (by a swap with what reads it), and watch
  viewkeeper refresh sales+                  also what reads it
  viewkeeper refresh sales --slices 2026-11-01..2026-11-07
                                             only these days of one view
  viewkeeper refresh 'app.*' --at-once 4     every view of a schema
  viewkeeper refresh --all --no-wait

Ctrl-C ends only the watching: the refresh goes on, and the command that cancels
it is printed.
The exit code is 1 if a view was not refreshed.`,
    )
    .action((views, options) => refresh({ views, ...options }))
}

/**
 * Refreshes one view, or several in dependency order, and watches until they are done. With `wait` false, ends when
 * the refresh has begun.
 */
async function refresh(given: RefreshOptions): Promise<void> {
  const options = withSelected(given)
  insist(options)
  const api = await apiOf(options)
  const { views, all, select = [], wait, json } = options
  if (views.length === 1 && !all && select.length === 0) {
    const body = {
      strategy: strategyOf(options),
      force: options.force,
      withoutChecks: options.withoutChecks,
      rowCountStrategy: options.count,
      timeoutSeconds: options.timeout,
      slices: slicesOf(options),
    }
    await startRun(api, { view: views[0] as string, operation: 'refresh', body }, { wait, json })
    return
  }
  try {
    const body = {
      ...(await selectionOf(api, options)),
      strategy: strategyOf(options),
      concurrency: options.atOnce,
      retries: options.retries,
      exchange: options.exchange,
      withoutChecks: options.withoutChecks,
    }
    await startBatch(api, body, { wait, json })
  } catch (error) {
    const isPattern = error instanceof Problem && error.details.field === 'pattern'
    throw (isPattern && (await unfitting(api, select))) || error
  }
}

/** The same call with `sales+`, `+sales` and `sales*` as `--select` has them: no name without quotes is written so. */
function withSelected({ views, select = [], ...more }: RefreshOptions): RefreshOptions {
  const isSelect = (view: string) => /^\+|\+$/.test(view) || isGlob(view)
  const selected = [...select, ...views.filter(isSelect)]
  return {
    ...more,
    views: views.filter((view) => !isSelect(view)),
    ...(selected.length > 0 && { select: selected }),
  }
}

/** Refuses calls that ask for nothing, or for what only one view or only several can have. */
function insist({ views, all, select = [], strategy, concurrently, by, ...more }: RefreshOptions): void {
  if (views.length === 0 && !all && select.length === 0)
    throw wrong('view', 'Name the views to refresh, or write --all or --select <glob>.')
  if (all && (views.length > 0 || select.length > 0))
    throw wrong('--all', '--all is every view: leave out the names and --select.')
  if (strategy !== undefined && concurrently)
    throw wrong('--concurrently', '--concurrently means --strategy concurrent: write one of them.')
  if (by !== undefined && more.slices === undefined)
    throw wrong('--by', '--by says which slices: add --slices <from..to>.')
  const isBatch = views.length !== 1 || all || select.length > 0
  const single = {
    '--force': more.force,
    '--count': more.count,
    '--timeout': more.timeout,
    '--slices': more.slices,
  }
  const several = { '--at-once': more.atOnce, '--retries': more.retries, '--exchange': more.exchange }
  const wrongly = Object.entries(isBatch ? single : several).find(([, value]) => value !== undefined)
  if (wrongly)
    throw wrong(
      wrongly[0],
      isBatch
        ? `${wrongly[0]} works for one view: refresh that view by itself.`
        : `${wrongly[0]} works for several views: --all, --select or more names.`,
    )
}

const strategyOf = ({ strategy, concurrently }: RefreshOptions): string | undefined =>
  concurrently ? 'concurrent' : strategy

/** `a..b` is from a to b; `a` alone is that slice. */
function slicesOf({ slices, by }: RefreshOptions): object | undefined {
  const [from = '', to = from, ...more] = slices?.split('..') ?? []
  if (slices === undefined) return undefined
  if (from === '' || to === '' || more.length > 0)
    throw wrong(
      '--slices',
      'Write two values with two dots between them, as in --slices 2026-11-01..2026-11-07.',
    )
  return { from, to, by }
}

/** The fields of `POST /batches` that say which views. */
async function selectionOf(api: Api, { views, all, select = [] }: RefreshOptions): Promise<object> {
  if (all) return { all: true }
  const selects = select.map(parseSelect)
  // With a selection, the API also takes views that are made before the batch begins, and the record has the selection.
  if (selects.length === 0) return { views }
  if (selects.length === 1 && views.length === 0) return selects[0] as object
  const known = (await readViews(api)).views
    .filter(({ missing }) => !missing)
    .map((view) => ({ ...view, inAll: true, schedule: null, timeZone: null }))
  const reads = new Map(known.map(({ view, dependsOn }) => [view, dependsOn]))
  const selected = selects.flatMap((each) => selectViews(known, reads, each).map(({ view }) => view))
  return { views: [...new Set([...views, ...selected])] }
}

/** The problem that a pattern fits no view, in the words that were typed; undefined if each fits some. */
async function unfitting(api: Api, select: string[]): Promise<Problem | undefined> {
  const { views } = await readViews(api)
  const unfit = select
    .map(parseSelect)
    .find(({ pattern }) => !views.some(({ schema, name }) => matchesGlob(pattern, [schema, name])))
  return unfit && noView(unfit.pattern.replace(/^\*\./, ''), views)
}

const wrong = (field: string, message: string): Problem => new Problem('InvalidRequest', message, { field })
