import { setTimeout as pause } from 'node:timers/promises'

/** Looks again and again until there is something to see, and gives it; fails, saying what was awaited, after a while. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | null | false | 0>,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`)
    await pause(10)
  }
}
