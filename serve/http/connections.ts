import type { HttpFunctionName } from '../../src/api/functions.ts'
import { makeTurns, type Turns } from '../../src/keeper/turns.ts'
import { Problem } from '../../src/problem.ts'

/**
 * The most connections that requests and batches open together: 24 here, and 16 to advance batches. A server allows 100 by
 * default, and other clients need some.
 */
export const mostConnections = 40

const longestWaitMs = 5000

/**
 * A part of the connections, shared by the functions that use it. A call takes all the connections it may
 * need at once: a call that held one and waited for another could wait for ever.
 */
const share = (part: number, perCall: number): Turns =>
  makeTurns(Math.floor((mostConnections * part) / perCall))

/** Two for each call: one to plan and to watch, one on which the server executes the run. */
const operation = share(0.5, 2)
/** For calls that are soon over: reads and cancels must not wait for long runs. */
const brief = share(0.1, 1)

const shares: Record<HttpFunctionName, Turns> = {
  create: operation,
  refresh: operation,
  drop: operation,
  'start-batch': brief,
  api: brief,
}

/**
 * Does what a function does in Lambda, as soon as its connections are free. If they are not free within some seconds, refuses the call with
 * TooManyConnections.
 */
export async function withConnections<T>(name: HttpFunctionName, call: () => Promise<T>): Promise<T> {
  const own = shares[name]
  if (!(await own.take(AbortSignal.timeout(longestWaitMs)))) {
    throw new Problem(
      'TooManyConnections',
      `Other requests have held all connections for ${longestWaitMs / 1000} s. Nothing was begun: try again in some seconds, ` +
        'with fewer requests at once.',
    )
  }
  try {
    return await call()
  } finally {
    own.end()
  }
}
