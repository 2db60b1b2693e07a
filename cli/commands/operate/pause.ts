import { Option } from '@commander-js/extra-typings'
import { type Command, InvalidArgumentError } from 'commander'
import { ask, readView, readViews } from '../../../src/api/ask.ts'
import { allPausedMeans, pausedMeans } from '../../../src/resources/views.ts'
import { paint } from '../../../src/terminal/report.ts'
import { command } from '../../../src/words/commands.ts'
import { isGlob, matchesGlob, withSchema } from '../../../src/words/glob.ts'
import { count, names, utc } from '../../../src/words/phrases.ts'
import { Problem } from '../../../src/words/problem.ts'
import { apiOf } from '../../api/api-of.ts'
import { print, short } from '../../output/terminal.ts'
import { noView } from '../../project/names.ts'
import { type Asking, operating } from '../asking.ts'

/** Declares `pause` and `resume`. */
export function addTo(program: Command): void {
  operating(program, 'pause', [])
    .argument('[view...]', "sales, app.sales, 'app.*'")
    .description('keep views from being refreshed')
    .option('--all', 'everything: schedules and deploys refresh nothing')
    .addOption(new Option('--for <time>', 'how long: 30m, 24h, 3d').argParser(untilOf).conflicts('until'))
    .addOption(new Option('--until <moment>', 'until when: 2026-11-28T09:00Z').argParser(momentOf))
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper pause sales --for 24h   nothing refreshes sales until tomorrow
  viewkeeper pause --all             schedules and deploys refresh nothing`,
    )
    .action((views, { all, for: ends, until = ends, ...asking }) =>
      change('pause', { views, all, until }, asking),
    )

  operating(program, 'resume', [])
    .argument('[view...]', "sales, app.sales, 'app.*'")
    .description('end a pause')
    .option('--all', 'the pause of everything')
    .action((views, { all, ...asking }) => change('resume', { views, all }, asking))
}

/** Declares `quiet`. */
export function addQuiet(program: Command): void {
  operating(program, 'quiet', [])
    .description('tell nobody what is wrong for a while; refreshes go on')
    .addOption(
      new Option('--for <time>', 'how long: 30m, 24h, 3d').argParser(spanOf).conflicts(['until', 'end']),
    )
    .addOption(new Option('--until <moment>', 'until when: 2026-11-28T09:00Z').argParser(momentOf))
    .addOption(new Option('--from <moment>', 'from when; otherwise from now').argParser(momentOf))
    .addOption(new Option('--end', 'tell people again').conflicts(['until', 'from']))
    .addHelpText(
      'after',
      `
At its end, you are told what is still wrong.

Examples:
  viewkeeper quiet --for 1h                             from now
  viewkeeper quiet --from 2026-11-28T22:00Z --for 4h    a window to come
  viewkeeper quiet --end                                now people are told again`,
    )
    .action(({ for: span, from, until, end, ...asking }) => beQuiet({ span, from, until, end }, asking))
}

/** Opens or ends the window in which nobody is told. */
async function beQuiet(
  {
    span,
    from,
    until,
    end,
  }: { span?: number | undefined; from?: Date | undefined; until?: Date | undefined; end?: true | undefined },
  asking: Asking,
): Promise<void> {
  const ends = span === undefined ? until : new Date((from?.getTime() ?? Date.now()) + span)
  if ((ends === undefined) === (end === undefined))
    throw new Problem('InvalidRequest', 'Say how long: --for 1h, or --until <moment>; or --end.', {
      field: 'until',
    })
  const api = await apiOf(asking)
  const body = { ...(from && { from: from.toISOString() }), ...(ends && { until: ends.toISOString() }) }
  const { quiet } = await ask(api, 'quiet', { body })
  const done = paint('green', '✓')
  if (quiet === null) return print(`${done} people are told what is wrong`)
  print(
    `${done} nobody is told what is wrong from ${utc(new Date(quiet.from))} until ${utc(new Date(quiet.until))}: refreshes go on, and then you are told what is still wrong`,
    `  to end it before: ${command(['quiet', '--end'], api.typed)}`,
  )
}

/** Pauses views, or all schedules and deploys; or ends that. */
async function change(
  verb: 'pause' | 'resume',
  { views, all, until }: { views: string[]; all: true | undefined; until?: Date | undefined },
  asking: Asking,
): Promise<void> {
  if (views.length > 0 === (all ?? false))
    throw new Problem('InvalidRequest', `Either name the views to ${verb}, or write --all.`, {
      field: 'view',
    })
  const api = await apiOf(asking)
  const done = paint('green', '✓')
  const body = until === undefined ? {} : { body: { until: until.toISOString() } }
  const ends = until === undefined ? 'to end it' : `it ends at ${utc(until)}; to end it before`
  if (all) {
    const isPaused = verb === 'pause' || (await ask(api, 'listViews', {})).paused !== null
    await (verb === 'pause' ? ask(api, 'pauseAll', body) : ask(api, 'resumeAll', {}))
    if (!isPaused) return print('everything was not paused; views that are paused by name stay so')
    if (verb === 'resume')
      return print(`${done} schedules and deploys refresh views again; views that are paused by name stay so`)
    return print(
      `${done} everything is paused: ${allPausedMeans}`,
      `  ${ends}: ${command(['resume', '--all'], api.typed)}`,
    )
  }
  // Nothing is begun if one of the names is wrong.
  const known = views.some(isGlob) ? (await readViews(api)).views : []
  const found: string[] = []
  for (const name of views) {
    const fitting = known.filter((view) => matchesGlob(withSchema(name), [view.schema, view.name]))
    if (isGlob(name) && fitting.length === 0) throw noView(name, known)
    if (isGlob(name)) found.push(...fitting.map(({ view }) => view))
    else found.push(views.length > 1 ? (await readView(api, name)).view : name)
  }
  const changed: string[] = []
  for (const name of new Set(found))
    changed.push((await ask(api, `${verb}View`, { view: name, ...body })).view ?? name)
  const [first = ''] = changed
  const who = changed.length === 1 ? `${short(first)} is` : `${count(changed.length, 'view')} are`
  print(`${done} ${who} ${verb === 'pause' ? `paused: ${pausedMeans}` : 'paused no longer'}`)
  if (changed.length > 1) print(`  ${names(changed.map(short), 3)}`)
  if (verb === 'pause') print(`  ${ends}: ${command(['resume', ...views], api.typed)}`)
}

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `24h` from now. */
const untilOf = (text: string): Date => new Date(Date.now() + spanOf(text))

/** The milliseconds of `24h`. */
function spanOf(text: string): number {
  const [, number, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  if (number === undefined || Number(number) === 0)
    throw new InvalidArgumentError('Write a number and a unit: 30m, 24h, 3d.')
  return Number(number) * (units[unit] as number)
}

/** A moment with its zone, in the future. */
function momentOf(text: string): Date {
  const at = new Date(text)
  if (!/(Z|[+-]\d\d:?\d\d)$/.test(text) || Number.isNaN(at.getTime()))
    throw new InvalidArgumentError('Write a moment with its zone: 2026-11-28T09:00Z, 2026-11-28T10:00+01:00.')
  if (at.getTime() <= Date.now()) throw new InvalidArgumentError('It is over: name a moment to come.')
  return at
}
