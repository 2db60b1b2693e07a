/** Something to wait for that may come at any moment, also before anybody waits. */
export interface Wake {
  ring(): void
  /** Waits until somebody rings, or for so long at most. */
  wait(ms: number): Promise<void>
}

export function makeWake(): Wake {
  let rung = false
  let answer = () => {}
  return {
    ring() {
      rung = true
      answer()
    },
    async wait(ms) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          answer = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      rung = false
    },
  }
}
