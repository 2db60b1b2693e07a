import { setTimeout as pause } from 'node:timers/promises'

export interface Life {
  /**
   * Registers how to stop what was just started. If everything is being stopped, stops the new part at once
   * and rejects.
   */
  onStop(stop: () => Promise<void>): Promise<void>
  /** Stops everything for this reason, unless it is being stopped already. */
  fail(reason: Error): void
}

/**
 * npm passes on a signal that the terminal has delivered already. A second signal within this time is the
 * same Ctrl-C.
 */
const sameSignalMs = 500

/** The longest wait for the start to end after everything was stopped. */
const settleMs = 1000

/**
 * Runs `start`, and goes on until Ctrl-C, SIGTERM or the end of the terminal. This signal stops what was
 * started, in reverse order, also in the middle of the start, and then ends the process with 0. A second
 * signal ends the process at once. If the start or something that was started fails, everything is stopped
 * and the reason is thrown.
 */
export async function untilSignal(start: (life: Life) => Promise<void>): Promise<never> {
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  const stops: (() => Promise<void>)[] = []
  let stoppingSince: number | undefined

  const stopAll = async () => {
    stoppingSince = Date.now()
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
  }
  const started = start({
    fail,
    async onStop(stop) {
      stops.push(stop)
      if (stoppingSince === undefined) return
      await stopAll()
      throw new Error('everything is being stopped')
    },
  })
  const onSignal = async () => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince > sameSignalMs) process.exit(130)
      return
    }
    await stopAll()
    // A start that is still going on loses its database or calls onStop, and so ends soon. It may hang
    // instead: postgres.js can lose a query when its connection breaks.
    await Promise.race([started.catch(() => {}), pause(settleMs)])
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal)
  // If the server ends in the middle of a transaction or a copy, postgres.js 3.4.9 still writes to the closed
  // socket. Its error cannot be caught anywhere else.
  process.on('uncaughtException', (error) => {
    if (stoppingSince === undefined) fail(error)
  })
  started.catch(fail)
  try {
    return await failed
  } catch (error) {
    // The failure is a consequence of stopping: onSignal ends the process.
    if (stoppingSince !== undefined) return await new Promise(() => {})
    await stopAll()
    throw error
  }
}
