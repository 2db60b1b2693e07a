import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { View, ViewList } from '../../../src/api/answers.ts'
import { readViews } from '../../../src/api/ask.ts'
import { type Filter, filterNames, filters } from '../../../src/catalog/plan/state.ts'
import {
  allPausedMeans,
  filterTexts,
  firstToFix,
  inOrder,
  orders,
  viewColumns,
  wordsOfFilter,
} from '../../../src/resources/views.ts'
import { command } from '../../../src/sql/commands.ts'
import { matchesGlob } from '../../../src/sql/glob.ts'
import { lagLine } from '../../../src/sql/replicas.ts'
import { moment } from '../../../src/sql/words.ts'
import { failingText } from '../../../src/watch/plan/silence.ts'
import { tableOf } from '../../output/table.ts'
import { harmless } from '../../output/terminal.ts'
import { summaryOf } from '../../output/views.ts'
import { loud, typed } from '../../output/words.ts'
import { noView } from '../../project/names.ts'
import { answer, type Printing } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `ls`, which lists views: those that are not well first. With several states, views that are in any of them. */
export function addTo(program: Command): void {
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
      const chosen = filterNames.filter((filter) => (options as Partial<Record<Filter, true>>)[filter])
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
        (list, printing) =>
          output === 'name'
            ? list.views.map(({ view }) => typed(view))
            : listLines(list, { named: named.length, chosen }, printing),
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

function listLines(
  { views, paused, replicas, failing = [], silence }: Omit<ViewList, 'next'>,
  { named, chosen }: { named: number; chosen: Filter[] },
  { api, now, output }: Printing,
): string[] {
  const words = chosen
    .map((filter) => (filter === 'stale' ? 'stale or unknown' : wordsOfFilter(filter).word))
    .join(' or ')
  const none =
    named === 0 ? 'There is no materialized view in this database.' : `no ${words} view, of ${named}`
  const sum =
    chosen.length === 0
      ? summaryOf(views)
      : `${views.length} ${words} ${views.length === 1 ? 'view' : 'views'} of ${named}`
  const lag = replicas === undefined ? null : lagLine(replicas) // an older version answers without
  const first = firstToFix(views)
  const incident = views.find(({ view }) => view === first)?.incident // an older version answers without
  const loudly = [
    ...failing.map((each) => failingText(each, moment(each.since, now))),
    ...(silence?.lines ?? []), // an older version answers without
  ]
  return [
    ...(paused === null
      ? []
      : [
          `${output.paint('yellow', '!')} everything is paused since ${moment(paused.since, now)} by ${harmless(paused.by)}${paused.until == null ? ', without an end' : `, until ${moment(paused.until, now)}`}: ${allPausedMeans}`,
          `  next: ${command(['resume', '--all'], api.typed)}`,
          '',
        ]),
    ...loudly.map((line) => loud(line, output)),
    ...(loudly.length > 0 ? [''] : []),
    ...(views.length === 0 ? [none] : [...tableOf(viewColumns, views, now, output), '', sum]),
    ...(views.length > 0 && lag !== null ? [harmless(lag)] : []),
    ...(incident == null ? [] : [harmless(incident.text)]),
    ...(first === null ? [] : [`next: ${command(['why', typed(first)], api.typed)}`]),
  ]
}
