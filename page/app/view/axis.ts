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

/** The round lengths between two ticks, in milliseconds. */
const lengths = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000],
  ...[60_000, 120_000, 300_000, 600_000, 1_800_000],
  ...[3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000],
]
const units: [ms: number, name: string][] = [
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
  [1, 'ms'],
]

/** The places of round durations from zero on, in milliseconds, about `most` of them: all in one unit, each as it is, not rounded. */
export function durationTicks(to: number, most: number): Tick[] {
  const step = lengths.find((each) => each >= to / most) ?? lengths.at(-1)!
  const [unit, name] = units.find(([ms]) => ms <= Math.max(step, Math.min(to, 1000)))!
  return multiples(0, to, step).map((at) => ({ at, label: `${at / unit} ${name}` }))
}

const minute = 60
const day = 86_400
const steps = [
  ...[1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200],
  ...[1, 2, 7, 14, 30, 91, 182, 365].map((days) => days * day),
]

/** The places of round times in a range, in seconds and UTC, at most about `most` of them. */
export function timeTicks(from: number, to: number, most: number): Tick[] {
  const least = (to - from) / most
  const step = steps.find((each) => each >= least) ?? Math.ceil(least / day) * day
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
