/** A limit on how much is done at once. Callers get their turns in the order in which they came. */
export interface Turns {
  /** Waits for a turn; a heavy one counts as several. False if none has come when this is aborted. */
  take(until?: AbortSignal, weight?: number): Promise<boolean>
  /** Gives a turn back. */
  end(weight?: number): void
}

export function makeTurns(atOnce: number): Turns {
  let free = atOnce
  const waiting: { weight: number; begin(): void }[] = []
  const beginNext = () => {
    for (let [next] = waiting; next !== undefined && next.weight <= free; [next] = waiting) {
      waiting.shift()
      free -= next.weight
      next.begin()
    }
  }
  return {
    take(until, weight = 1) {
      if (until?.aborted) return Promise.resolve(false)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const begin = () => {
        until?.removeEventListener('abort', leave)
        resolve(true)
      }
      const mine = { weight, begin }
      const leave = () => {
        waiting.splice(waiting.indexOf(mine), 1)
        resolve(false)
        beginNext()
      }
      until?.addEventListener('abort', leave, { once: true })
      waiting.push(mine)
      beginNext()
      return promise
    },
    end(weight = 1) {
      free += weight
      beginNext()
    },
  }
}
