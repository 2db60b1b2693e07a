import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { View, ViewList, Why } from '../../../src/api/answers.ts'
import { ask, readRefreshes, readView, readViews } from '../../../src/api/ask.ts'
import { filterNames, filters, type StateFilter } from '../../../src/catalog/plan/state.ts'
import {
  allPausedMeans,
  filterTexts,
  firstToFix,
  inOrder,
  orders,
  viewColumns,
  wordsOfFilter,
} from '../../../src/resources/views.ts'
import { heldBack } from '../../../src/watch/diagnosis/cause.ts'
import { failingText } from '../../../src/watch/plan/silence.ts'
import { aimed, command, lineOf } from '../../../src/words/commands.ts'
import { matchesGlob } from '../../../src/words/glob.ts'
import { ago, ahead, moment } from '../../../src/words/phrases.ts'
import type { Api } from '../../api/api.ts'
import { tableOf } from '../../output/table.ts'
import {
  displayWidth,
  harmless,
  isTerminal,
  loud,
  type Output,
  short,
  typed,
  wrap,
} from '../../output/terminal.ts'
import { plotPairs, runsOfView, standingLine, summaryOf, viewLines } from '../../output/view-lines.ts'
import { noView } from '../../project/names.ts'
import { answer, operating, type Printing } from '../asking.ts'

// What shows views: `ls` all of them, `show` one, `why` what keeps one from being fresh.

/** Declares `ls`, which lists views: those that are not well first. With several states, views that are in any of them. */
export function addLs(program: Command): void {
  const command = operating(program, 'ls', ['json', 'name', 'wide'])
    .argument('[pattern...]', "globs on the views' names, such as 'sales.*'")
    .description('list views: what is stale or failed comes first')
    .addOption(new Option('--sort <by>', 'sort by').choices(orders))
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper ls --stale --failed            what needs you
  viewkeeper ls 'app.*' --sort duration -o wide
  viewkeeper ls --stale -o name | tr '\\n' '\\0' | xargs -0 viewkeeper refresh`,
    )
    .action(async (patterns, { sort, ...options }) => {
      const chosen = filterNames.filter((filter) => (options as Partial<Record<StateFilter, true>>)[filter])
      const { env, url, json, output } = options
      let named: View[] = []
      await answer(
        { env, url, json, output },
        async (api) => {
          const list = await readViews(api)
          named = patterns.length === 0 ? list.views : matching(list.views, patterns)
          const fits = (view: View) => chosen.length === 0 || chosen.some((filter) => filters[filter](view))
          return { ...list, views: inOrder(named.filter(fits), sort) }
        },
        (list, printing) => {
          if (output === 'name') return list.views.map(({ view }) => typed(view))
          // A program that reads the table does not read these.
          for (const line of loudLines(list, printing)) process.stderr.write(`${line}\n`)
          return listLines(list, { named: named.length, chosen }, printing)
        },
      )
    })
  for (const filter of filterNames)
    command.option(
      `--${filter.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`,
      `only views ${filterTexts[filter]}`,
    )
}

/** The views that any of the patterns fits: a glob on `schema.name` or on the name alone, or a name. */
function matching(views: View[], patterns: string[]): View[] {
  const fits = (pattern: string) => (view: View) =>
    [[view.name], [view.schema, view.name]].some((name) => matchesGlob(pattern, name))
  const unknown = patterns.find((pattern) => !views.some(fits(pattern)))
  if (unknown !== undefined) throw noView(unknown, views)
  return views.filter((view) => patterns.some((pattern) => fits(pattern)(view)))
}

/** What nobody may overlook: which channels fail, what nothing refreshes, that nobody is told. */
const loudLines = (
  { failing = [], silence }: Pick<ViewList, 'failing' | 'silence'>,
  { api, now, output }: Printing,
): string[] =>
  [
    ...failing.map((each) => failingText(each, moment(each.since, now))),
    ...(silence?.lines ?? []).map((line) => lineOf(line, api.typed)), // an older version answers without
  ].map((line) => loud(line, output))

function listLines(
  { views, paused, quiet = null }: Pick<ViewList, 'views' | 'paused' | 'quiet'>,
  { named, chosen }: { named: number; chosen: StateFilter[] },
  { api, now, output }: Printing,
): string[] {
  const words = chosen.map((filter) => wordsOfFilter(filter).word).join(' or ')
  const none =
    named === 0 ? 'There is no materialized view in this database.' : `no ${words} view, of ${named}`
  const sum =
    chosen.length === 0
      ? summaryOf(views)
      : `${views.length} ${words} ${views.length === 1 ? 'view' : 'views'} of ${named}`
  const first = firstToFix(views)
  const incident = views.find(({ view }) => view === first)?.incident // an older version answers without
  return [
    ...(paused === null
      ? []
      : [
          `${output.paint('yellow', '!')} everything is paused since ${moment(paused.since, now)} by ${harmless(paused.by)}${paused.until == null ? ', without an end' : `, until ${moment(paused.until, now)}`}: ${allPausedMeans}`,
          `  next: ${command(['resume', '--all'], api.typed)}`,
          '',
        ]),
    ...(quiet === null
      ? []
      : [
          `${output.paint('yellow', '!')} nobody is told what is wrong from ${moment(quiet.from, now)} until ${moment(quiet.until, now)}, by ${harmless(quiet.by)}`,
          `  next: ${command(['quiet', '--end'], api.typed)}`,
          '',
        ]),
    ...(views.length === 0 ? [none] : [...tableOf(viewColumns, views, now, output), '', sum]),
    ...(incident == null ? [] : [harmless(incident.text)]),
    ...(first === null ? [] : [`next: ${command(['why', typed(first)], api.typed)}`]),
  ]
}

/** Declares `show`, which prints one view with its indexes and last runs. */
export function addShow(program: Command): void {
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

/** Declares `why`, which prints why a view is as old as it is, who is in the way, and what to type. */
export function addWhy(program: Command): void {
  operating(program, 'why')
    .argument('<view>')
    .description('say why a view is so old, and what to do')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper why sales -e production`,
    )
    .action(async (view, asking) => {
      await answer(
        asking,
        (api) => readWhy(api, view),
        (why, { now, output }) => whyLines(why, now, output),
      )
    })
}

/** What is to be typed works on the same API. */
async function readWhy(api: Api, view: string): Promise<Why> {
  const why = await ask(api, 'getWhy', { view })
  const aim = <Each extends { next: string | null }>(each: Each[]): Each[] =>
    each.map((one) => ({ ...one, next: one.next && aimed(one.next, api.typed) }))
  const { silence } = why
  return {
    ...why,
    ...(silence && { silence: { ...silence, lines: aim(silence.lines) } }),
    causes: aim(why.causes),
  }
}

/** Why a view is as old as it is: how it stands, the causes with what to type, who is in the way, and the last runs. */
function whyLines(why: Why, now: Date, output: Output): string[] {
  return [
    ...standing(why, now, output),
    ...why.causes.flatMap((cause, at) => [
      ...causeLines(cause, at, output),
      ...(at === 0 ? heldLines(why, output) : []),
    ]),
    ...why.locks.flatMap((lock) => lockLines(lock, now, output)),
    ...runsOfView(why.recentRuns, now, output),
    ...(why.silence?.lines ?? []).flatMap((line) => ['', loud(lineOf(line, null), output)]),
  ]
}

function standing(why: Why, now: Date, { width, paint }: Output): string[] {
  const { lastSuccessAt, asOf, nextRun, nextBy } = why
  const by = heldBack(why)
  const since =
    asOf === null ? lastSuccessAt && `last success ${moment(lastSuccessAt, now)}` : moment(asOf, now)
  const besides = since === null ? '' : ` (${since}${by === null ? '' : `, held back by ${short(by)}`})`
  const at = nextRun === null ? '' : ahead(Date.parse(nextRun) - now.getTime())
  const isByLog = nextBy === 'log' && at !== 'now'
  const next =
    nextRun === null
      ? 'no next run'
      : `next run ${isByLog ? `when its log has rows, at the latest ${at}` : at}`
  const line = standingLine(why, paint, besides)
  const whole = `${line}   ${paint('dim', next)}`
  return displayWidth(whole) <= width ? [whole] : [line, `  ${paint('dim', next)}`]
}

/** The first cause is the real one; the others are told below it. */
function causeLines({ text, next }: Why['causes'][number], at: number, { width, paint }: Output): string[] {
  const lines = wrap(harmless(text), width - 2)
  return [
    '',
    ...lines.map((line, n) => (n === 0 ? `${at === 0 ? paint('bold', '▸') : '▸'} ${line}` : `  ${line}`)),
    ...(next === null ? [] : [`  ${paint('dim', 'next:')} ${harmless(next)}`]),
  ]
}

/** What waits for the view to fix first. */
const heldLines = ({ holdsBack = [] }: Partial<Why>, { width, paint }: Output): string[] =>
  holdsBack.length === 0
    ? []
    : wrap(`holds back: ${holdsBack.map(short).join(', ')}`, width - 2).map(
        (line) => `  ${paint('dim', line)}`,
      )

function lockLines(lock: Why['locks'][number], now: Date, { width, paint }: Output): string[] {
  const { pid, role, application, state, since, mode, relation, statement, end, endBy } = lock
  const who = [
    pid === null ? 'a prepared transaction' : `session ${pid}`,
    role === null ? '' : `of ${role}`,
    application ? `(${application})` : '',
  ]
  const how = [state, since === null ? null : `transaction began ${ago(now.getTime() - Date.parse(since))}`]
  return [
    '',
    ...wrap(
      harmless(
        `${who.filter(Boolean).join(' ')} holds ${mode} on ${short(relation)}: ${how.filter(Boolean).join(', ') || 'since when is not seen without role pg_read_all_stats'}`,
      ),
      width - 2,
    ).map((line, n) => (n === 0 ? `${paint('red', '■')} ${line}` : `  ${line}`)),
    ...(statement === null
      ? []
      : wrap(harmless(statement), width - 4)
          .slice(0, 4)
          .map((line) => paint('dim', `    ${line}`))),
    ...(end === null
      ? []
      : [`  ${paint('dim', `to end it, as ${harmless(endBy ?? 'its role')}:`)} ${harmless(end)}`]),
  ]
}
