/** Whether the global pause applies to a trigger. It does not apply to people. */
export const isScheduled = (trigger: string): boolean => trigger === 'schedule' || trigger === 'deploy'

export const everythingPaused = 'everything scheduled is paused; POST /resume ends the pause'

const viewPaused = 'the view is paused; "force" refreshes it all the same, and "resume" ends the pause'

/** Why a view is not to be refreshed at present; null if nothing is paused for this trigger. Pure. */
export function pauseReason(
  { paused, allPaused }: { paused: boolean; allPaused: boolean },
  trigger: string,
): string | null {
  if (paused) return viewPaused
  return allPaused && isScheduled(trigger) ? everythingPaused : null
}
