import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { View } from '../../../src/api/answers.ts'
import { ask, readMetrics, readView, readViews } from '../../../src/api/ask.ts'
import { selectViews } from '../../../src/batch/plan/selection.ts'
import { strategies } from '../../../src/catalog/plan/definition.ts'
import { oldText, wordsOfState } from '../../../src/catalog/plan/state.ts'
import { reached } from '../../../src/sql/walks.ts'
import { isGlob, matchesGlob } from '../../../src/words/glob.ts'
import { count, duration, names as list, whole } from '../../../src/words/phrases.ts'
import { Problem } from '../../../src/words/problem.ts'
import { exchanges } from '../../../src/words/run.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { tableLines } from '../../output/table.ts'
import { output, print, printJson, short } from '../../output/terminal.ts'
import { noView, parseSelect } from '../../project/names.ts'
import { startBatch, startRun } from '../../watch/watch.ts'
import { type Asking, natural, operating, positive, watched, wrong } from '../asking.ts'

interface RefreshCommandOptions extends Asking {
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
  dryRun?: true
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
    .option('--timeout <seconds>', 'one view: the longest time on the server', positive)
    .option('--slices <from..to>', 'one view: compute only these rows anew, and keep all others')
    .option('--by <column>', 'by which column (default: that of its definition, or the only one)')
    .option(
      '--retries <n>',
      'several views: how often to try a view again (default: as its definition says)',
      natural,
    )
    .option('--dry-run', 'print what would be refreshed, how, why, and about how long; begin nothing')
    .optionsGroup('Rarely:')
    .option('--at-once <n>', 'several views: how many at once (default: 2)', positive)
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
  viewkeeper refresh 'app.*'                 every view of a schema
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
async function refresh(given: RefreshCommandOptions): Promise<void> {
  const options = withSelected(given)
  insist(options)
  const api = await apiOf(options)
  const { views, all, select = [], wait, json } = options
  if (options.dryRun) return predict(api, options)
  if (views.length === 1 && !all && select.length === 0) {
    const body = {
      strategy: strategyOf(options),
      force: options.force,
      withoutChecks: options.withoutChecks,
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
function withSelected({ views, select = [], ...more }: RefreshCommandOptions): RefreshCommandOptions {
  const isSelect = (view: string) => /^\+|\+$/.test(view) || isGlob(view)
  const selected = [...select, ...views.filter(isSelect)]
  return {
    ...more,
    views: views.filter((view) => !isSelect(view)),
    ...(selected.length > 0 && { select: selected }),
  }
}

/** Refuses calls that ask for nothing, or for what only one view or only several can have. */
function insist({
  views,
  all,
  select = [],
  strategy,
  concurrently,
  by,
  ...more
}: RefreshCommandOptions): void {
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

const strategyOf = ({ strategy, concurrently }: RefreshCommandOptions): string | undefined =>
  concurrently ? 'concurrent' : strategy

/** `a..b` is from a to b; `a` alone is that slice. */
function slicesOf({ slices, by }: RefreshCommandOptions): object | undefined {
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
async function selectionOf(api: Api, { views, all, select = [] }: RefreshCommandOptions): Promise<object> {
  if (all) return { all: true }
  const selects = select.map(parseSelect)
  // With a selection, the API also takes views that are made before the batch begins, and the record has the selection.
  if (selects.length === 0) return { views }
  if (selects.length === 1 && views.length === 0) return selects[0] as object
  return { views: [...new Set([...views, ...selectedOf((await readViews(api)).views, select)])] }
}

/** The views that are there and fit one of these selects. */
function selectedOf(views: View[], select: string[]): string[] {
  const known = views
    .filter(({ missing }) => !missing)
    .map((view) => ({ ...view, inAll: true, schedule: null, timeZone: null }))
  const reads = new Map(known.map(({ view, dependsOn }) => [view, dependsOn]))
  return select.flatMap((each) => selectViews(known, reads, parseSelect(each)).map(({ view }) => view))
}

/** Prints which views a refresh would do in which order, how, why, and about how long: as the record tells. Begins nothing. */
async function predict(api: Api, options: RefreshCommandOptions): Promise<void> {
  const { views: names, all, select = [], force, json } = options
  const { views: known } = await readViews(api)
  const wanted = new Set([
    ...known.flatMap(({ view, inAll = true }) => (all && inAll ? view : [])),
    ...(await Promise.all(names.map(async (name) => (await readView(api, name)).view))),
    ...selectedOf(known, select),
  ])
  const usual = new Map(
    (await readMetrics(api, { window: '24h' })).map(({ view, usualMs }) => [view, usualMs]),
  )
  const query = { operation: 'refresh', status: 'success', limit: 200 }
  const { runs } = await ask(api, 'listRuns', { query })
  const reads = new Map(known.map(({ view, dependsOn }) => [view, dependsOn]))
  const turn = (view: string) => reached([view], (each) => reads.get(each) ?? []).size
  const views = known
    .filter(({ view }) => wanted.has(view))
    .toSorted((a, b) => turn(a.view) - turn(b.view))
    .map((each) => {
      const { view, missing, aside, paused, populated, state, staleMs, maxStaleMs, asOf } = each
      const leftOut = aside ? 'set aside' : missing ? 'missing' : paused && !force ? 'paused' : null
      const last = runs.find((run) => run.view === view)?.result.response
      const asked = strategyOf(options) ?? each.strategy
      const strategy = asked === 'auto' ? (populated ? (last?.strategy ?? asked) : 'regular') : asked
      const along = strategy === 'swap' ? (last?.group ?? []).map((other) => other.view) : []
      return {
        view,
        leftOut,
        strategy,
        along,
        state,
        staleMs,
        maxStaleMs,
        asOf,
        usualMs: usual.get(view) ?? null,
      }
    })
  if (json) return printJson(views)
  const going = views.filter(({ leftOut }) => leftOut === null)
  const unknown = going.filter(({ usualMs }) => usualMs === null).length
  const sum = going.reduce((ms, { usualMs }) => ms + (usualMs ?? 0), 0)
  print(
    ...tableLines(
      [
        { title: 'VIEW', cell: ({ view }) => short(view) },
        {
          title: 'HOW',
          cell: ({ leftOut, strategy, along }) =>
            leftOut
              ? `left out: ${leftOut}`
              : strategy + (along.length > 0 ? ` with ${list(along.map(short), 3)}` : ''),
        },
        {
          title: 'WHY',
          cell: (view) =>
            `${wordsOfState(view.state).word}, ${oldText(view)}${view.maxStaleMs === null ? '' : `, limit ${duration(view.maxStaleMs)}`}`,
        },
        {
          title: 'TAKES',
          cell: ({ usualMs }) => (usualMs === null ? 'unknown' : duration(usualMs)),
          right: true,
        },
      ],
      views,
      output(),
    ),
    '',
    `would refresh ${count(going.length, 'view')}, in about ${duration(sum)} one after the other` +
      (unknown > 0 ? `; nobody knows how long ${whole(unknown)} of them take` : ''),
    ...(all || select.length > 0 ? ['what cannot have changed since its last refresh is left out'] : []),
  )
}

/** The problem that a pattern fits no view, in the words that were typed; undefined if each fits some. */
async function unfitting(api: Api, select: string[]): Promise<Problem | undefined> {
  const { views } = await readViews(api)
  const unfit = select
    .map(parseSelect)
    .find(({ pattern }) => !views.some(({ schema, name }) => matchesGlob(pattern, [schema, name])))
  return unfit && noView(unfit.pattern.replace(/^\*\./, ''), views)
}
