// Times and sizes as people read them: the command line, the page and the mail say them alike.

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/**
 * A length of time in milliseconds with one unit: `0.21 s`, `9.3 s`, `42 s`, `3 min`, `26 h`, `3 d`. Minutes, hours and
 * days begin at two of them or more, so `90 s` and `26 h` keep their digits. A negative length is `0.00 s`.
 */
export function duration(ms: number): string {
  if (ms < 995) return `${(Math.max(0, ms) / second).toFixed(2)} s`
  if (ms < 9_950) return `${(ms / second).toFixed(1)} s`
  if (ms < 2 * minute) return `${Math.round(ms / second)} s`
  if (ms < 2 * hour) return `${Math.round(ms / minute)} min`
  if (ms < 2 * day) return `${Math.round(ms / hour)} h`
  return `${Math.round(ms / day)} d`
}

/** A moment as people in any place read it: `09:00 UTC` if `now` is on the same day in UTC, else `2026-11-20 09:00 UTC`. */
export function moment(at: Date | string, now: Date): string {
  const [date = '', time = ''] = new Date(at).toISOString().split('T')
  const clock = `${time.slice(0, 5)} UTC`
  return now.toISOString().startsWith(date) ? clock : `${date} ${clock}`
}

/** At most `most` names, and how many more there are: `a, b and 3 more`. */
export const names = (all: string[], most: number): string =>
  all.length <= most ? all.join(', ') : `${all.slice(0, most).join(', ')} and ${all.length - most} more`
