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

/** A length of time so far, in milliseconds, to the second or minute: `12 s`, `3 min 05 s`, `1 h 04 min`. */
export function elapsed(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / second)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`
}

const two = (n: number): string => String(n).padStart(2, '0')

/** A moment `ms` milliseconds ago: `3 min ago`; `just now` for less than a second. */
export const ago = (ms: number): string => (ms < second ? 'just now' : `${roughly(ms)} ago`)

/** A moment in `ms` milliseconds: `in 7 h`; `now` for less than a second, and for a moment that has passed. */
export const ahead = (ms: number): string => (ms < second ? 'now' : `in ${roughly(ms)}`)

/** Like `duration`, without parts of a second: `4 s`, `3 min`. */
export const roughly = (ms: number): string =>
  ms < 10 * second ? `${Math.round(ms / second)} s` : duration(ms)

/** A moment in UTC: `09:00 UTC` if `now` is on the same day in UTC, else `2026-11-20 09:00 UTC`. */
export function moment(at: Date | string, now: Date): string {
  const [date = '', time = ''] = new Date(at).toISOString().split('T')
  const clock = `${time.slice(0, 5)} UTC`
  return now.toISOString().startsWith(date) ? clock : `${date} ${clock}`
}

/** A moment in UTC with its day, for mails: `2026-11-20 09:00 UTC`. */
export const utc = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** The first `most` characters of a text, and `...` if it is longer. */
export const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most).toWellFormed()}...`

/** A whole number with separated thousands: `200,000`. `toLocaleString` would load the tables of all languages first. */
export const whole = (n: number): string => String(n).replaceAll(/\B(?=(\d{3})+$)/g, ',')

/** `1 view`, `7 views`, `200,000 flights` */
export const count = (n: number, noun: string, plural = `${noun}s`): string =>
  `${whole(n)} ${n === 1 ? noun : plural}`

/** `1 row`, `4,231 rows` */
export const rows = (n: number): string => count(n, 'row')

const units = ['B', 'kB', 'MB', 'GB', 'TB']

/** A number of bytes as PostgreSQL counts them, 1 kB = 1024 bytes: `512 B`, `8.0 kB`, `42 MB`. */
export function bytes(n: number): string {
  let [size, unit] = [n, 0]
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${size < 9.95 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

/** The first `most` names, and the number of the others: `a, b and 3 more`. */
export const names = (all: string[], most: number): string =>
  all.length <= most ? all.join(', ') : `${all.slice(0, most).join(', ')} and ${all.length - most} more`

/** The tone of a state, which decides its colour in the command line and on the page. */
export type Tone = 'bad' | 'warn' | 'held' | 'busy' | 'idle' | 'good'
