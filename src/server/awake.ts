import { setTimeout as pause } from 'node:timers/promises'
import { mayConnectLater } from './failures.ts'

/** How long a connection waits for a server that sleeps, starts or is away for a moment. */
export interface Waiting {
  /** When the caller has to have answered (epoch milliseconds); undefined: the caller does not wait. */
  answerBy(): number | undefined
  /** Hears of each wait that was noticeable, and whether the server let us in at last. */
  onWaited(waited: { waitedMs: number; connected: boolean }): void
}

const pauseMs = 1000

/** What is left for the work after the longest wait. */
const workMs = 4000

/**
 * The longest wait. Aurora needs 15 s to wake, and 30 s and more after a day.
 * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
 */
const longestMs = 180_000

/** A try that nothing answers is given up after this time: the server may have lost it while it woke. */
const tryMs = 10_000

/**
 * Connects until the server lets us in, or the time is over. Each try has a deadline (epoch milliseconds). What waiting does not
 * mend is thrown at once. Without `waiting`, there is one try.
 */
export async function untilAwake<T>(
  open: (deadline: number) => Promise<T>,
  { answerBy, onWaited }: Partial<Waiting> = {},
): Promise<T> {
  const begun = Date.now()
  const last = answerBy?.()
  const until = last === undefined ? begun : Math.min(last - workMs, begun + longestMs)
  const tell = (connected: boolean) => {
    const waitedMs = Date.now() - begun
    if (waitedMs >= pauseMs) onWaited?.({ waitedMs, connected })
  }
  for (;;) {
    const tried = Date.now()
    try {
      const opened = await open(until > tried ? Math.min(tried + tryMs, until) : tried + tryMs)
      tell(true)
      return opened
    } catch (error) {
      const next = Math.max(tried + pauseMs, Date.now())
      if (!mayConnectLater(error) || next >= until) {
        tell(false)
        throw error
      }
      await pause(Math.max(0, next - Date.now()))
    }
  }
}
