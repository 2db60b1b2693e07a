/** A bell to wait for. If it rings before anybody waits, the next wait ends at once. */
export interface Wake {
  ring(): void
  /** Waits until the bell rings, but no longer than `ms`. */
  wait(ms: number): Promise<void>
}

export function makeWake(): Wake {
  let rung = false
  let stopWaiting = () => {}
  return {
    ring() {
      rung = true
      stopWaiting()
    },
    async wait(ms) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          stopWaiting = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      rung = false
    },
  }
}
