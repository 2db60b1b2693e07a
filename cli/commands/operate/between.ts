import { Problem } from '../../../src/problem.ts'

/** The moments that `--since` and `--until` mean, as a query has them. */
export function between({ since, until }: { since?: string | undefined; until?: string | undefined }) {
  const now = new Date()
  const moment = (option: string, text: string | undefined) => text && momentOf(option, text, now)
  return { since: moment('--since', since), until: moment('--until', until) }
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The moment that `2h`, `7d` or a time means; a time without a zone is UTC, as all that is printed. */
export function momentOf(option: string, text: string, now: Date): string {
  const ago = /^(\d{1,5})([mhd])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * units[ago[2] as keyof typeof units]).toISOString()
  const zoned = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const at = zoned ? Date.parse(zoned[1] && !zoned[4] ? `${text}Z` : text) : Number.NaN
  // Without this check, 31 February is a day of March.
  const [day, month] = [text.slice(8, 10), text.slice(5, 7)].map(Number)
  const inCalendar = new Date(Date.UTC(Number(text.slice(0, 4)), Number(month) - 1, day)).getUTCDate() === day
  if (Number.isNaN(at) || !inCalendar)
    throw new Problem(
      'InvalidRequest',
      `${option} ${text}: write 90m, 24h, 7d or a time such as 2026-11-20T09:00:00Z.`,
      { field: option },
    )
  return new Date(at).toISOString()
}
