/** A place of an axis, and what is written there. */
export interface Tick {
  at: number
  label: string
  /** The day or the year, below the label. */
  below?: string | undefined
}

/** `4.2M` */
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 })

/** The places of round numbers in a range, about `most` of them, at least 1 apart. */
export function roundTicks(from: number, to: number, most: number): Tick[] {
  const least = Math.max(1, (to - from) / most)
  const power = 10 ** Math.floor(Math.log10(least))
  const step = power * ([1, 2, 5].find((times) => times * power >= least) ?? 10)
  return multiples(from, to, step).map((at) => ({ at, label: short.format(at) }))
}

const minute = 60
const hour = 3600
const day = 24 * hour

/** The round lengths between two ticks, in milliseconds, and their unit. */
const lengths: [step: number, unit: number, name: string][] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((ms) => [ms, 1, 'ms'] as [number, number, string]),
  ...[1, 2, 5, 10, 30].map((s) => [s * 1000, 1000, 's'] as [number, number, string]),
  ...[1, 2, 5, 10, 30].map((min) => [min * 60_000, 60_000, 'min'] as [number, number, string]),
  ...[1, 2, 6, 12, 24, 48].map((h) => [h * 3_600_000, 3_600_000, 'h'] as [number, number, string]),
]

/** The places of round durations from zero on, in milliseconds, about `most` of them: all in one unit, each as it is, not rounded. */
export function durationTicks(to: number, most: number): Tick[] {
  const [step, unit, name] = lengths.find(([each]) => each >= to / most) ?? lengths.at(-1)!
  if (step < 1000 && to >= 1000) return multiples(0, to, step).map((at) => ({ at, label: `${at / 1000} s` }))
  return multiples(0, to, step).map((at) => ({ at, label: `${at / unit} ${name}` }))
}

const steps = [
  1,
  5,
  15,
  30,
  minute,
  5 * minute,
  15 * minute,
  30 * minute,
  hour,
  2 * hour,
  3 * hour,
  6 * hour,
  12 * hour,
]
const daySteps = [1, 2, 7, 14, 30, 91, 182, 365].map((days) => days * day)

/** The places of round times in a range, in seconds and UTC, at most about `most` of them. */
export function timeTicks(from: number, to: number, most: number): Tick[] {
  const least = (to - from) / most
  const step = [...steps, ...daySteps].find((each) => each >= least) ?? Math.ceil(least / day) * day
  let above = ''
  return multiples(from, to, step).map((at) => {
    const date = new Date(at * 1000)
    const [label, whole] =
      step < day
        ? [date.toISOString().slice(11, step < minute ? 19 : 16), `${dayOf(date)} ${date.getUTCFullYear()}`]
        : [dayOf(date), `${date.getUTCFullYear()}`]
    const below = whole === above ? undefined : whole
    above = whole
    return { at, label, below }
  })
}

const month = new Intl.DateTimeFormat('en', { month: 'short', timeZone: 'UTC' })
const dayOf = (date: Date): string => `${date.getUTCDate()} ${month.format(date)}`

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, n) => (first + n) * step)
}
