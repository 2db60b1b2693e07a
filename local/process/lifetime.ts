import { setTimeout as pause } from 'node:timers/promises'

export interface Life {
  /** Registers how to stop what was just started. Rejects, after stopping it, when everything is being stopped. */
  onStop(stop: () => Promise<void>): Promise<void>
  /** Ends it all because of this, unless it is ending anyway. */
  fail(reason: Error): void
}

/** npm passes on a signal that the terminal has already delivered: what follows this soon is the same Ctrl-C. */
const sameSignalMs = 500

const settleMs = 1000

/**
 * Runs `start` and keeps going until Ctrl-C, SIGTERM or the end of the terminal, which stops what was started in reverse order, also half-way
 * through the start, and ends the process with 0; a second one ends it at once. Where the start or something started
 * fails, everything is stopped and the reason thrown.
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
    // Whatever is being started at this moment loses its database or calls onStop, and settles soon; unless postgres.js
    // has forgotten a query over a connection that broke.
    await Promise.race([started.catch(() => {}), pause(settleMs)])
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal)
  // postgres.js 3.4.9 writes to a socket that it has lost when the server goes in the middle of a transaction or a copy,
  // and does so where nobody can catch it.
  process.on('uncaughtException', (error) => {
    if (stoppingSince === undefined) fail(error)
  })
  started.catch(fail)
  try {
    return await failed
  } catch (error) {
    // Stopping makes things fail: onSignal ends the process.
    if (stoppingSince !== undefined) return await new Promise(() => {})
    await stopAll()
    throw error
  }
}
