/** Looks at something again and again. */
export interface Poll {
  /** Looks at once, and goes on from there. */
  now(): void
  /** Looks soon, or once more after the look that goes on: many calls in a row are one look. */
  soon(): void
  stop(): void
}

/** When to look; the tests have a clock of their own. */
export interface Surroundings {
  isHidden(): boolean
  /** Calls back when the page is shown or hidden, or is online again. */
  onChange(listener: () => void): () => void
}

const mostPauseMs = 30_000
const soonMs = 100

/**
 * Calls `look` at once, and again as many milliseconds after its end as it returns. If `look` throws, the
 * pauses double from two seconds to half a minute. While nobody sees the page, nothing is looked at.
 */
export function startPoll(look: (signal: AbortSignal) => Promise<number>, around: Surroundings): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined
  let current = new AbortController()
  let failures = 0
  let stopped = false
  let looks = false
  let again = false

  const now = async () => {
    clearTimeout(timer)
    current.abort()
    looks = false
    again = false
    if (stopped || around.isHidden()) return
    looks = true
    current = new AbortController()
    const { signal } = current
    let pauseMs: number
    try {
      pauseMs = await look(signal)
      failures = 0
    } catch {
      pauseMs = Math.min(mostPauseMs, 2000 * 2 ** failures++)
    }
    if (signal.aborted) return
    looks = false
    timer = setTimeout(now, again ? soonMs : pauseMs)
  }
  const end = around.onChange(now)
  now()
  return {
    now,
    soon() {
      if (again || stopped) return
      again = true
      if (looks) return
      clearTimeout(timer)
      timer = setTimeout(now, soonMs)
    },
    stop() {
      stopped = true
      clearTimeout(timer)
      current.abort()
      end()
    },
  }
}
