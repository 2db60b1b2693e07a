import { setTimeout as pause } from 'node:timers/promises'
import { isRefusal, Problem } from '../problem.ts'

/** How a call is repeated that fails. */
interface Patience {
  /** Ends the pauses. */
  signal?: AbortSignal
  /** Whether no retry mends a failure. Default: a refusal. */
  isFinal?(error: unknown): boolean
  /** Hears of each failure that is not final. */
  onFailure?(error: Error): void
  /** How long it is tried. Default: an hour. */
  forMs?: number
  /** Whether a pause keeps the process alive. Default: false. */
  ref?: boolean
}

const longestPauseMs = 30_000

const isRefused = (error: unknown) => error instanceof Problem && isRefusal(error.code)

/** Repeats a call until it succeeds, with growing pauses. */
export async function patiently<T>(
  call: () => Promise<T>,
  { signal, isFinal = isRefused, onFailure, forMs = 3_600_000, ref = false }: Patience,
): Promise<T> {
  const until = performance.now() + forMs
  for (let pauseMs = 1000; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await call()
    } catch (error) {
      if (isFinal(error) || performance.now() > until) throw error
      onFailure?.(error as Error)
      await pause(pauseMs, undefined, { signal, ref })
    }
  }
}
