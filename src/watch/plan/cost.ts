import { count, duration } from '../../sql/words.ts'

/** What the refreshes of the last 30 days cost. */
export interface Cost {
  /** The days since the first of these refreshes, at most 30. */
  days: number
  /** How many succeeded. */
  refreshes: number
  /** How long they took together, those that failed or were canceled among them. */
  ms: number
  /** The share of what all views take a day, 0 to 1. */
  share: number
}

/** `6 min a day (31%), refreshed 720 times in 30 d` */
export const costText = ({ ms, days, share, refreshes }: Cost): string =>
  `${duration(ms / days)} a day (${Math.round(share * 100)}%), refreshed ${count(refreshes, 'time')} in ${days} d`
