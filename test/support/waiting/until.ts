import { setTimeout as pause } from 'node:timers/promises'

/**
 * So long anything in a test may take: only what hangs takes longer, on a slow machine, too. It is longer than what the product
 * waits by itself: a run that is lost twice is retried after five minutes, each time.
 */
export const hangsMs = 900_000

/** When a call is over that has as much time as it needs. */
export const muchLater = (): number => Date.now() + hangsMs

/**
 * Calls `look` until it returns something, and returns that. After `withinMs`, which only ends what hangs, as the projects' limits do,
 * fails and names `what`, as it is by then.
 */
export async function until<T>(
  what: string | (() => string),
  look: () => Promise<T | undefined | null | false | 0>,
  withinMs = hangsMs,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > deadline)
      throw new Error(`waited ${withinMs} ms in vain: ${typeof what === 'string' ? what : what()}`)
    await pause(10)
  }
}
