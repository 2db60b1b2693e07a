/**
 * A limit on how many callers do something at once. Callers get their turns in the order in which they came.
 */
export interface Turns {
  /** Waits for a turn. False if none came within this time. */
  take(longestWaitMs: number): Promise<boolean>
  /** Gives a turn back. */
  end(): void
}

export function makeTurns(atOnce: number): Turns {
  let free = atOnce
  const waiting: (() => void)[] = []
  return {
    take(longestWaitMs) {
      if (free > 0) {
        free--
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const call = () => {
          clearTimeout(timer)
          resolve(true)
        }
        const leave = () => {
          waiting.splice(waiting.indexOf(call), 1)
          resolve(false)
        }
        // Node fires an infinite time-out at once.
        const timer = Number.isFinite(longestWaitMs) ? setTimeout(leave, longestWaitMs) : undefined
        waiting.push(call)
      })
    },
    end() {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    },
  }
}
