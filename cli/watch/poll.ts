import { setTimeout as pause } from 'node:timers/promises'
import { exitCodeOf, unavailable } from '../output/exit-codes.ts'

const firstPauseMs = 250
const longestPauseMs = 2000
/** What is watched may go on for hours: a connection that is away for a moment does not end the watching. */
const patienceMs = 30_000

/**
 * Reads something again and again until it has ended, and returns it: quickly at first, later every two seconds. Each time
 * `each` is called first. If the API cannot be had for half a minute, its last problem is thrown.
 */
export async function readUntil<T>(
  read: () => Promise<T>,
  hasEnded: (value: T) => boolean,
  each: (value: T) => unknown = () => {},
): Promise<T> {
  let lastAnswer = Date.now()
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.2, longestPauseMs)) {
    const value = await read().catch((error) => {
      if (exitCodeOf(error) !== unavailable || Date.now() - lastAnswer > patienceMs) throw error
    })
    if (value !== undefined) {
      lastAnswer = Date.now()
      await each(value)
      if (hasEnded(value)) return value
    }
    await pause(pauseMs)
  }
}
