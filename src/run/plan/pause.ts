import { isScheduled, type Trigger } from '../../catalog/plan/run.ts'

export const everythingPaused = 'everything scheduled is paused; POST /resume ends the pause'

const viewPaused =
  'the view is paused; --force (over HTTP "force": true) refreshes it all the same, and resume ends the pause'

/** Why a view is not to be refreshed at present; null if nothing is paused for this trigger. Pure. */
export function pauseReason(
  { paused, allPaused }: { paused: boolean; allPaused: boolean },
  trigger: Trigger,
): string | null {
  if (paused) return viewPaused
  return allPaused && isScheduled(trigger) ? everythingPaused : null
}
