import type { Strategy } from '../../catalog/plan/definition.ts'
import { duration } from '../../sql/words.ts'
import type { Cause } from './cause.ts'

/** How a view has been refreshed and read lately. */
export interface Evidence {
  authored: boolean
  strategy: Strategy
  /**
   * The last successful refreshes, at most 100; how many of them were regular because the definition says so or for lack of a key,
   * and how long these took on average.
   */
  refreshes: number
  regular: number
  regularMs: number | null
  /** Whether the latest refresh is one of these. */
  latestIs: boolean
  /** For how long the monitor has looked and has seen nobody read it, less a day; null: nobody looks, or the server does not tell. */
  unreadMs: number | null
  /** How often a day it is refreshed, by the last day; a refresh hides the readers before it. */
  refreshesADay: number
  /** Whether it has a unique index that a concurrent refresh can use. */
  hasKey: boolean
  /** Whether other views read it. */
  isRead: boolean
}

const leastRefreshes = 20
/** A regular refresh that locks readers out for so long is worth another strategy. */
const longLockMs = 1000
const dayMs = 24 * 3600_000
/** A report of each quarter has read the view by then. */
const longUnreadMs = 90 * dayMs
/** The monitor looks once a minute, and has to look more often than the view is refreshed. */
const mostRefreshesADay = 24 * 30

/** What is worth changing about a view, by its history; it keeps nothing from being fresh. Pure. */
export function advice(view: string, evidence: Evidence): Cause[] {
  const { authored, strategy, refreshes, regular, regularMs, latestIs, hasKey, unreadMs } = evidence
  const told: Cause[] = []
  const key = authored
    ? "uniqueKey: ['<the columns that identify a row>']"
    : `create unique index concurrently on ${view} (<the columns that identify a row>)`
  const change = [...(strategy === 'regular' ? ["strategy: 'auto'"] : []), ...(hasKey ? [] : [key])]
  const locks = latestIs && regular * 2 > refreshes && (regularMs ?? 0) >= longLockMs
  if (refreshes >= leastRefreshes && locks && change.length > 0)
    told.push({
      code: 'LocksReaders',
      text: `${regular} of the last ${refreshes} refreshes of ${view} were regular and locked readers out for ${duration(regularMs ?? 0)} each, ${strategy === 'regular' ? 'as strategy "regular" asks' : 'for lack of a key'}. Change: ${change.join(', and ')}.`,
      next: null,
    })
  const mayBeSeen = evidence.refreshesADay <= mostRefreshesADay && !evidence.isRead
  if (unreadMs !== null && unreadMs >= longUnreadMs && mayBeSeen)
    told.push({
      code: 'Unread',
      text: `The monitor has seen nobody read ${view} for ${Math.floor(unreadMs / dayMs)} days. It does not see reads on replicas, and may miss one just before a swap: ask its readers before you remove it.`,
      next: authored ? `viewkeeper freeze --remove ${view} -m "not read"` : `viewkeeper drop ${view}`,
    })
  return told
}
