import { duration, elapsed } from '../words.ts'
import type { ShortLag } from './due.ts'
import type { Foretold, ForetoldView } from './simulate.ts'

/**
 * `lag`: its target lag. `schedule`: a turn is skipped, because the batch of the turn before is still open. `limit`: the age from
 * which it is stale.
 */
export const promises = ['lag', 'schedule', 'limit'] as const

/** A promise that a view will not keep, by what is foretold of it. */
export interface BrokenPromise {
  promise: (typeof promises)[number]
  text: string
}

/** What the promises of a view are judged by, besides what is foretold of it. */
interface Judged {
  /** What its target lag would have to be, if it is too short; `alone`: even if the server refreshed nothing else. */
  short: (ShortLag & { alone: boolean }) | undefined
  /** The time between two looks: a target lag may be missed by less. */
  everyMs: number
  /** Whether the view that holds it back is paused: then its age is no broken promise. */
  isHeld: boolean
}

/** The promises of a view that the coming hours break; of one that no schedule and no target lag refreshes, none. Pure. */
export function brokenPromises(
  { lagMs, limitMs, follows, paused }: Pick<ForetoldView, 'lagMs' | 'limitMs' | 'follows' | 'paused'>,
  { refreshes, turns, missedTurns, oldestMs, heldBackBy }: Foretold,
  { short, everyMs, isHeld }: Judged,
): BrokenPromise[] {
  if (paused) return []
  const held = heldBackBy === null ? '' : `, because ${heldBackBy} holds it back`
  const broken: BrokenPromise[] = []
  const say = (promise: BrokenPromise['promise'], text: string) => broken.push({ promise, text })
  const becomes = (limit: number) =>
    oldestMs !== null && oldestMs > limit && !isHeld
      ? `its data become ${elapsed(oldestMs)} old${held}`
      : null
  if (lagMs !== null && follows) {
    const late = becomes(lagMs + everyMs)
    if (short !== undefined && (short.alone || becomes(lagMs) !== null))
      say('lag', `the target lag of ${duration(lagMs)} cannot be kept: ${duration(short.worksMs)} can`)
    else if (late !== null) say('lag', `the target lag is ${duration(lagMs)}, and ${late}`)
  }
  if (missedTurns > 0)
    say(
      'schedule',
      `${missedTurns} of ${turns} turns of its schedules are skipped, because the batch of the turn before is still open`,
    )
  const isRefreshed = turns > 0 || (follows && (lagMs !== null || refreshes > 0))
  const limit = limitMs === null ? null : lagMs === null ? limitMs : Math.max(limitMs, lagMs + everyMs)
  if (limitMs !== null && limit !== null && isRefreshed && broken.length === 0 && becomes(limit) !== null)
    say('limit', `its limit is ${duration(limitMs)}, and ${becomes(limit)}`)
  return broken
}
