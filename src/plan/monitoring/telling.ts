/** What the monitor tells of a view: its data are stale, it is missing, or it has been set aside for long. */
export const troubles = ['stale', 'missing', 'aside'] as const
export type Trouble = (typeof troubles)[number]

/** How often the monitor tells of a trouble. */
export interface Telling {
  /** A trouble that is not over is told again after this time, in seconds. Null: never. */
  remindSeconds: number | null
  /**
   * The least time between two tellings of the same trouble, of whichever views, in seconds. CloudWatch mails only if the
   * alarm was quiet in between; what comes sooner is told when this time is over.
   */
  apartSeconds: number
}

/** Suits a monitor that looks every minute. */
export const usualTelling: Telling = { remindSeconds: 24 * 3600, apartSeconds: 5 * 60 }
