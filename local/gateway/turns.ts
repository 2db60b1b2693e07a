/** Turns to do something, so many at once; first come, first served. */
export interface Turns {
  /** Waits for a turn, so long at most. False where none came. */
  take(patienceMs: number): Promise<boolean>
  /** Gives a turn back. */
  end(): void
}

export function makeTurns(atOnce: number): Turns {
  let free = atOnce
  const waiting: (() => void)[] = []
  return {
    take(patienceMs) {
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
        // For a time-out that is not finite, Node would not wait at all.
        const timer = Number.isFinite(patienceMs) ? setTimeout(leave, patienceMs) : undefined
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
