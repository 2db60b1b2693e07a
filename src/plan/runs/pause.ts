/** Whether the global pause applies to a trigger. It does not apply to people. */
export const isScheduled = (trigger: string): boolean => trigger === 'schedule' || trigger === 'deploy'

export const everythingPaused = 'everything scheduled is paused'

/** Why a view is not to be refreshed at present; null if nothing is paused for this trigger. Pure. */
export function pauseReason(
  { paused, allPaused }: { paused: boolean; allPaused: boolean },
  trigger: string,
): string | null {
  if (paused) return 'the view is paused'
  return allPaused && isScheduled(trigger) ? everythingPaused : null
}
