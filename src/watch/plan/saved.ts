import { count, duration } from '../../sql/words.ts'

/** Refreshes that were left out because they would have changed nothing, and their time by the usual duration; null: unknown. */
export interface Saved {
  leftOut: number
  savedMs: number | null
}

/** What the last 24 h have saved: `12 refreshes in 24 h (3 min)`; null if that is nothing. An older version does not say it. */
export function savedText(of: Partial<Saved>[]): string | null {
  const sum = (field: keyof Saved) => of.reduce((total, each) => total + (each[field] ?? 0), 0)
  const [leftOut, savedMs] = [sum('leftOut'), sum('savedMs')]
  if (leftOut === 0) return null
  return `${count(leftOut, 'refresh', 'refreshes')} in 24 h${savedMs === 0 ? '' : ` (${duration(savedMs)})`}`
}
