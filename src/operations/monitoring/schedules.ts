import { Cron } from 'croner'

/** What refreshes views by the clock in an environment. */
export interface Schedules {
  /** When every view is refreshed; null where there is no such schedule. */
  nightly: { schedule: string; timeZone: string } | null
  /** Whether views are refreshed by the schedules they were authored with. */
  views: boolean
}

/** Nothing is refreshed by the clock. */
export const unscheduled: Schedules = { nightly: null, views: false }

/**
 * The longest time between two scheduled refreshes of a view, seconds: of its own schedule or that of every view, whichever comes
 * oftener. Null where nothing refreshes it by the clock.
 */
export function scheduledInterval(
  { schedule, timeZone, inAll }: { schedule: string | null; timeZone: string | null; inAll: boolean },
  { nightly, views }: Schedules,
): number | null {
  const intervals = [
    ...(views && schedule !== null && timeZone !== null ? [longestInterval(schedule, timeZone)] : []),
    ...(inAll && nightly !== null ? [longestInterval(nightly.schedule, nightly.timeZone)] : []),
  ]
  return intervals.length === 0 ? null : Math.min(...intervals)
}

/** More than a year of them, so that every month is among them, and both changes of the clock. */
const days = 400
const daySeconds = 24 * 3600

/**
 * The longest time between two occurrences of a cron expression of five fields, seconds: of one that comes on weekdays only, the
 * weekend. Every day on which it comes has the same times, so days and times are looked through apart: all occurrences of a
 * year can be half a million. Known expressions are remembered.
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

/** The occurrences within one day, which is any. */
const onSomeDay = (schedule: string, most: number): Date[] =>
  new Cron(schedule, { utcOffset: 0, paused: true })
    .nextRuns(most, new Date('1999-12-31T23:59:59Z'))
    .filter((time) => time < new Date('2000-01-02T00:00:00Z'))

/** By how much a day is longer when the clock is put back, seconds; 0 where that is never done. */
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
