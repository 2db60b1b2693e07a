import type { Command } from 'commander'
import type { Plan, View, ViewMetrics } from '../../../src/api/answers.ts'
import { ask, readersOf, readMetrics, readRefreshes, readView, readViews } from '../../../src/api/ask.ts'
import { timeOfDay } from '../../../src/catalog/plan/scheduled.ts'
import { oldText, retryText, wordsOfState } from '../../../src/catalog/plan/state.ts'
import type { Column } from '../../../src/resources/cell.ts'
import { count, duration, moment, names } from '../../../src/sql/words.ts'
import { apiOf } from '../../api/api-of.ts'
import { pairLines, tableLines, tableOf } from '../../output/table.ts'
import {
  cut,
  displayWidth,
  fill,
  harmless,
  isTerminal,
  type Output,
  output,
  print,
  printJson,
  short,
  styleOf,
  wrap,
} from '../../output/terminal.ts'
import { plotPairs } from '../../output/views.ts'
import { answer, operating } from '../asking.ts'

// What shows all views together: `metrics` of past refreshes, `plan` of the next ones, `graph` of what reads what.

/** Declares `metrics`, which prints how often views were refreshed, how long that took, and how often it failed. */
export function addMetrics(program: Command): void {
  operating(program, 'metrics')
    .argument('[view]')
    .description('show how long refreshes take, how often they fail')
    .option('--window <time>', 'how far back: 90m, 24h, 7d', '24h')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper metrics                    every view, the slowest first
  viewkeeper metrics sales --window 7d  one view, with its curve`,
    )
    .action(async (view, { window, ...asking }) => {
      await answer(
        asking,
        (api) => readMetrics(api, { view, window }),
        async (found, { api, now, output }) => {
          const [first] = found
          if (first === undefined) return ['no view has metrics yet']
          const table = tableOf(metricColumns, bySlowness(found), now, output)
          if (view === undefined) return table
          const runs = await readRefreshes(api, first.view)
          const plots = plotPairs(runs, { now, width: output.width, drawn: isTerminal() })
          return plots.length === 0 ? table : [...table, '', ...pairLines(plots, output)]
        },
      )
    })
}

/** Declares `plan`, which prints the schedules that have a turn in the coming day, and what target lags refresh. */
export function addPlan(program: Command): void {
  operating(program, 'plan')
    .description('list what runs in the coming 24 hours')
    .action(async (asking) => {
      await answer(
        asking,
        (api) => ask(api, 'getPlan', {}),
        (plan, { output }) => planLines(plan, output),
      )
    })
}

/** What runs in the coming day: the schedules, what is due first before the others, what target lags refresh, and what is left out. */
export function planLines({ from, paused, schedules, lags, leftOut }: Plan, output: Output): string[] {
  const now = new Date(from)
  const turns = schedules.reduce((sum, { count }) => sum + count, 0)
  return [
    `24 hours from ${moment(from, now)}${paused ? ', as if schedules were not paused' : ''}: ${count(turns, 'turn')} of schedules`,
    ...(schedules.length === 0 ? [] : ['', ...turnsTable(schedules, now, output)]),
    ...meetings(schedules, now, output),
    ...(lags.length === 0 ? [] : ['', ...lagLines(lags, output)]),
    ...(leftOut.length === 0 ? [] : ['', ...leftOutLines(leftOut, now, output)]),
  ]
}

const turnsTable = (schedules: Plan['schedules'], now: Date, output: Output): string[] =>
  tableLines(
    [
      { title: 'FIRST', cell: ({ first }) => moment(first, now) },
      { title: 'TURNS', cell: ({ count }) => String(count), right: true },
      {
        title: 'SCHEDULE',
        cell: (turn) =>
          turn.by === 'nightly' ? `nightly ${timeOfDay(turn)}` : `${turn.schedule} ${turn.timeZone}`,
      },
      { title: 'TAKES', cell: ({ usualMs }) => duration(usualMs), right: true },
      { title: 'VIEWS', cell: ({ views }) => names(views.map(short), 3), leaveOut: 0, least: 20 },
    ],
    schedules,
    output,
  )

const meetings = (schedules: Plan['schedules'], now: Date, { width }: Output): string[] => {
  const lines = schedules.flatMap(({ schedule, timeZone, meets = [] }) =>
    meets.flatMap(({ at, views, ...other }) =>
      wrap(
        harmless(
          `${schedule} ${timeZone} and ${other.schedule} ${other.timeZone} meet at ${moment(at, now)} in ${names(views.map(short), 3)}: the second batch waits for what the first builds`,
        ),
        width,
      ),
    ),
  )
  return lines.length === 0 ? lines : ['', ...lines]
}

const lagLines = (lags: Plan['lags'], { width }: Output): string[] =>
  lags.flatMap(({ view, lagMs, for: reader }) =>
    wrap(
      harmless(
        `${short(view)}: whenever its data become ${duration(lagMs)} old${reader === null ? '' : `, for ${short(reader)}`}`,
      ),
      width,
    ),
  )

const leftOutLines = (leftOut: Plan['leftOut'], now: Date, { width }: Output): string[] =>
  leftOut.flatMap(({ view, because, until }) =>
    wrap(
      harmless(`${short(view)}: ${because}${until === null ? '' : ` until ${moment(new Date(until), now)}`}`),
      width,
    ),
  )

/** Declares `graph`, which prints the views as trees, each with how it stands; of one view what reads it. */
export function addGraph(program: Command): void {
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

/** The branches of the tree, on a terminal and without one. */
const branches = {
  drawn: { child: '├─ ', last: '└─ ', through: '│  ', past: '   ' },
  plain: { child: '  ', last: '  ', through: '  ', past: '  ' },
}

interface Line {
  /** What stands before the name. */
  before: string
  view: View
  /** Whether the views that read it stand below another line already. */
  again: boolean
}

/**
 * The views as trees: below each view stand the views that read it, with how they stand. A view that reads several is expanded
 * once. With `from`, only the tree of that view.
 */
export function graphLines(
  views: View[],
  { now, drawn, from, ...output }: Output & { now: Date; drawn: boolean; from?: string | undefined },
): string[] {
  const known = new Map(views.map((view) => [view.view, view]))
  const isRoot = ({ view, dependsOn }: View) =>
    from === undefined ? !dependsOn.some((read) => known.has(read)) : view === from
  const expanded = new Set<string>()
  const signs = branches[drawn ? 'drawn' : 'plain']
  const below = (view: View, before: string): Line[] => {
    const readers = view.neededBy.flatMap((name) => known.get(name) ?? [])
    return readers.flatMap((reader, at) => {
      const isLast = at === readers.length - 1
      return branch(
        reader,
        before + (isLast ? signs.last : signs.child),
        before + (isLast ? signs.past : signs.through),
      )
    })
  }
  const branch = (view: View, before: string, after: string): Line[] => {
    const again = expanded.has(view.view) && view.neededBy.length > 0
    expanded.add(view.view)
    return [{ before, view, again }, ...(again ? [] : below(view, after))]
  }
  const roots = views.filter(isRoot)
  const lines = roots.flatMap((view) => branch(view, '', ''))
  // Views that read each other in a circle have no root.
  const rest = from === undefined ? views.filter(({ view }) => !expanded.has(view)) : []
  for (const view of rest) if (!expanded.has(view.view)) lines.push(...branch(view, '', ''))
  const width = Math.max(0, ...lines.map(({ before, view }) => displayWidth(before + short(view.view))))
  return lines.map(({ before, view, again }) => {
    const { word, tone } = wordsOfState(view.state)
    const text = view.retry ? retryText(view.retry, view.view, now) : word
    const age = view.staleMs === null ? '' : `   ${oldText(view)}`
    const more = again ? '   (its readers: above)' : ''
    const room = Math.max(8, output.width - width - 3 - displayWidth(age + more))
    return `${fill(before + short(view.view), width)}   ${output.paint(styleOf(tone), cut(text, room))}${age}${more}`
  })
}

const took = (
  title: string,
  of: (metrics: ViewMetrics) => number | null | undefined,
  leaveOut: number,
): Column<ViewMetrics> => ({
  name: title.toLowerCase(),
  title,
  cell: (metrics) => {
    const ms = of(metrics)
    return ms == null ? null : duration(ms)
  },
  number: true,
  leaveOut,
})

/** The table of the metrics of views. */
const metricColumns: Column<ViewMetrics>[] = [
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'runs', title: 'Runs', cell: ({ runs }) => String(runs), number: true },
  {
    name: 'success',
    title: 'Success',
    cell: ({ successRate }) =>
      successRate === null
        ? null
        : { text: `${Math.floor(successRate * 100)}%`, tone: successRate < 1 ? 'bad' : undefined },
    number: true,
  },
  took('Average', ({ averageMs }) => averageMs, 0),
  took('P95', ({ p95Ms }) => p95Ms, 2),
  took('Longest', ({ maxMs }) => maxMs, 3),
  took('Usual', ({ usualMs }) => usualMs, 4),
  took('Checks', ({ checksMs }) => checksMs, 5),
  {
    name: 'failure',
    title: 'Last failure',
    cell: ({ lastFailure }) =>
      lastFailure && [lastFailure.class && `${lastFailure.class} `, { past: lastFailure.at }],
    leaveOut: 1,
  },
]

/** Metrics in their order: what took longest comes first. */
const bySlowness = (list: ViewMetrics[]): ViewMetrics[] => {
  const totalMs = ({ averageMs, succeeded }: ViewMetrics) => (averageMs ?? 0) * succeeded
  return list.toSorted((a, b) => totalMs(b) - totalMs(a))
}
