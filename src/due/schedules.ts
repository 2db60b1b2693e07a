import { Cron } from 'croner'
import { outsideClock } from '../catalog/plan/definition.ts'
import type { Quiet, ViewTimes } from '../catalog/plan/scheduled.ts'
import type { ViewStateFacts } from '../catalog/plan/state.ts'
import type { ScheduledDefinition } from '../record/definitions/expectations.ts'
import { duration } from '../words/phrases.ts'
import type { Looks } from './plan/lags.ts'

/** The schedules of an environment. */
export interface Schedules {
  /** The schedule that refreshes every view; null if there is none. */
  nightly: { schedule: string; timeZone: string } | null
  /** Whether views are refreshed by the schedules they were authored with. */
  views: boolean
  /** When target lags are looked at. */
  looks?: Looks
}

/** An environment without schedules. */
export const unscheduled: Schedules = { nightly: null, views: false }

/**
 * The longest time between two scheduled refreshes of a view, in seconds: by its own schedule or by the one
 * for every view, whichever is shorter. Null if no schedule refreshes the view.
 */
export function scheduledInterval(definition: ScheduledDefinition, schedules: Schedules): number | null {
  const intervals = schedulesOf(definition, schedules).map(({ schedule, timeZone }) =>
    longestInterval(schedule, timeZone),
  )
  return intervals.length === 0 ? null : Math.min(...intervals)
}

/** That schedules refresh a view too rarely for its limit; null: often enough, or none does, or a target lag does. */
export function tooRare(
  definition: ScheduledDefinition & { targetLagSeconds: number | null },
  limitMs: number | null,
  schedules: Schedules,
): string | null {
  const seconds = definition.targetLagSeconds === null ? scheduledInterval(definition, schedules) : null
  return limitMs === null || seconds === null || limitMs >= seconds * 1000
    ? null
    : `its limit of ${duration(limitMs)} cannot be kept: up to ${duration(seconds * 1000)} lie between two turns of its schedules`
}

/** What a schedule refreshes next. `by`: the view's own schedule, the one for every view, or a target lag. */
interface NextScheduled {
  at: Date
  by: 'view' | 'nightly' | 'lag'
}

/**
 * When a schedule refreshes a view next, after `now`: by its own schedule or by the one for every view,
 * whichever comes first; with a target lag of its own or of a view that reads it, when that refresh ends at the latest. Null if no schedule
 * refreshes the view.
 */
export function nextScheduled(
  definition: ScheduledDefinition & Partial<Pick<ViewStateFacts, 'targetLagSeconds' | 'promisedMs' | 'asOf'>>,
  schedules: Schedules,
  now: Date,
): NextScheduled | null {
  const times = schedulesOf(definition, schedules).flatMap(({ schedule, timeZone, by }): NextScheduled[] => {
    const at = nextTurn(schedule, timeZone, now)
    return at === null ? [] : [{ at, by }]
  })
  const { targetLagSeconds, promisedMs, asOf } = definition
  const lagMs = promisedMs ?? (targetLagSeconds == null ? null : targetLagSeconds * 1000)
  if (schedules.views && lagMs !== null && definition.schedule !== outsideClock) {
    const end = (asOf?.getTime() ?? 0) + lagMs
    times.push({ at: new Date(Math.max(end, now.getTime())), by: 'lag' })
  }
  return times.reduce<NextScheduled | null>(
    (first, each) => (first === null || each.at < first.at ? each : first),
    null,
  )
}

/** When the quiet time ends that a moment is in; null: it is in none. */
export function quietUntil({ from, to, timeZone, days }: Quiet, now: Date): Date | null {
  const cron = (time: string, on: string) => time.replace(/(..):(..)/, `$2 $1 * * ${on}`)
  const begun = nextTurn(cron(from, days.join()), timeZone, new Date(now.getTime() - 24 * 3600_000))
  const end = begun && begun <= now ? nextTurn(cron(to, '*'), timeZone, begun) : null
  return end !== null && end > now ? end : null
}

/** The next turns after one moment, by schedule: most views have the same one, and croner takes some 40 microseconds for a turn. */
const turnsAfter = new WeakMap<Date, Map<string, Date | null>>()

/** The first turn of a schedule after `now`; null: there is none. */
export function nextTurn(schedule: string, timeZone: string, now: Date): Date | null {
  const known = turnsAfter.get(now) ?? new Map<string, Date | null>()
  const key = `${schedule} ${timeZone}`
  if (!known.has(key)) known.set(key, new Cron(schedule, { timezone: timeZone, paused: true }).nextRun(now))
  turnsAfter.set(now, known)
  return known.get(key)!
}

/** The turns of a schedule within a time, and the views that each of them refreshes. */
export interface Turns<View = ViewStateFacts> {
  schedule: string
  timeZone: string
  by: 'view' | 'nightly'
  first: Date
  count: number
  views: View[]
  /** The later ones of these schedules that refresh some of the same views at the same moment, and the first such moment. */
  meets: { schedule: string; timeZone: string; at: Date; views: View[] }[]
}

/** The schedules that have turns between two moments, the first turn first. Views with equal times share a batch. */
export function turnsBetween<View extends ScheduledDefinition>(
  views: View[],
  schedules: Schedules,
  from: Date,
  until: Date,
): Turns<View>[] {
  const timed = views.flatMap((view) => schedulesOf(view, schedules).map((times) => ({ view, times })))
  const batches = Map.groupBy(
    timed,
    ({ times: { by, schedule, timeZone } }) => `${by} ${schedule} ${timeZone}`,
  )
  const all = [...batches.values()].flatMap((batch) => {
    const { times } = batch[0]!
    const turns = new Set(turnsOf(times, from, until))
    const [first] = turns
    return first === undefined ? [] : [{ times, first, turns, views: batch.map(({ view }) => view) }]
  })
  all.sort((one, other) => one.first - other.first)
  return all.map(({ times, first, turns, views }, index) => ({
    ...times,
    first: new Date(first),
    count: turns.size,
    views,
    meets: all.slice(index + 1).flatMap((other) => {
      const at = [...turns].find((turn) => other.turns.has(turn))
      const { schedule, timeZone } = other.times
      const same = views.filter((view) => other.views.includes(view))
      return at === undefined || same.length === 0
        ? []
        : [{ schedule, timeZone, at: new Date(at), views: same }]
    }),
  }))
}

/** The turns of a schedule between two moments, in epoch milliseconds. */
function turnsOf({ schedule, timeZone }: ViewTimes, from: Date, until: Date): number[] {
  const cron = new Cron(schedule, { timezone: timeZone, paused: true })
  const turns: number[] = []
  for (let at = cron.nextRun(from); at !== null && at < until; at = cron.nextRun(at)) turns.push(at.getTime())
  return turns
}

/** Whether a schedule ever has a turn at a moment at which the one for every view has one. */
export function meetsNightly({ schedule, timeZone }: ViewTimes, nightly: ViewTimes, from: Date): boolean {
  const cron = new Cron(schedule, { timezone: timeZone, paused: true })
  const until = new Date(from.getTime() + days * daySeconds * 1000)
  return turnsOf(nightly, from, until).some((at) => cron.nextRun(new Date(at - 1000))?.getTime() === at)
}

/** The schedules that refresh a view. */
const schedulesOf = (
  { schedule, timeZone, inAll }: ScheduledDefinition,
  { nightly, views }: Schedules,
): Pick<Turns, 'schedule' | 'timeZone' | 'by'>[] => [
  ...(views && schedule !== null && timeZone !== null ? [{ schedule, timeZone, by: 'view' as const }] : []),
  ...(inAll && nightly !== null ? [{ ...nightly, by: 'nightly' as const }] : []),
]

/** More than a year, so that every month and both changes of the clock are among them. */
const days = 400
const daySeconds = 24 * 3600

/**
 * The longest time between two occurrences of a cron expression of five fields, in seconds. For an expression
 * of weekdays that is the weekend. Every day of an expression has the same times, so days and times are
 * searched separately: one year can have half a million occurrences. Results are remembered.
 */
function longestInterval(schedule: string, timeZone: string): number {
  const key = `${schedule} ${timeZone}`
  const known = intervals.get(key)
  if (known !== undefined) return known
  const [minuteField, hourField, ...dateFields] = schedule.split(' ')
  const minutes = onSomeDay(`${minuteField} 0 * * *`, 60).map((time) => time.getUTCMinutes())
  const hours = onSomeDay(`0 ${hourField} * * *`, 24).map((time) => time.getUTCHours())
  const times = hours.flatMap((hour) => minutes.map((minute) => (hour * 60 + minute) * 60))
  const dates = new Cron(`0 0 ${dateFields.join(' ')}`, { utcOffset: 0, paused: true }).nextRuns(days)
  const duringDay = longestGap(times)
  const overnight = longestGap(dates.map(inSeconds)) - (times.at(-1)! - times[0]!)
  const interval = overnight > duringDay ? overnight + clockChange(timeZone) : duringDay
  intervals.set(key, interval)
  return interval
}

/** The occurrences within one day; which day does not matter. */
const onSomeDay = (schedule: string, most: number): Date[] =>
  new Cron(schedule, { utcOffset: 0, paused: true })
    .nextRuns(most, new Date('1999-12-31T23:59:59Z'))
    .filter((time) => time < new Date('2000-01-02T00:00:00Z'))

/** How much longer a day is when the clock is put back, in seconds; 0 if the time zone never does so. */
function clockChange(timeZone: string): number {
  const known = clockChanges.get(timeZone)
  if (known !== undefined) return known
  const noons = new Cron('0 12 * * *', { timezone: timeZone, paused: true }).nextRuns(days)
  const change = longestGap(noons.map(inSeconds)) - daySeconds
  clockChanges.set(timeZone, change)
  return change
}

const inSeconds = (time: Date): number => time.getTime() / 1000

const longestGap = (times: number[]): number =>
  Math.max(0, ...times.slice(1).map((time, at) => time - times[at]!))

const intervals = new Map<string, number>()
const clockChanges = new Map<string, number>()
