import type { HttpFunctionName } from '../../src/edge/http/routes.ts'
import { Problem } from '../../src/problem.ts'
import { makeTurns, type Turns } from '../../src/keeper/turns.ts'

/**
 * The most connections that all functions open together. A server allows 100 by default, and other clients
 * need some.
 */
export const mostConnections = 40

/** The most runs that one call that advances a batch sends at once here, whatever the batch allows. */
export const mostRunsAtOnce = 4

const usualWaitMs = 5000

interface Share {
  turns: Turns
  /** The longest wait for the connections. */
  longestWaitMs: number
  /** The longest time for which a call may keep them. */
  longestSeconds: number
}

/**
 * A part of the connections, shared by the functions that use it. A call takes all the connections it may
 * need at once: a call that held one and waited for another could wait for ever.
 */
const share = (part: number, perCall: number): Share => ({
  turns: makeTurns(Math.floor((mostConnections * part) / perCall)),
  longestWaitMs: usualWaitMs,
  longestSeconds: Number.POSITIVE_INFINITY,
})

/** Two for each call: one to plan and to watch, one on which the server executes the run. */
const operation = share(0.5, 2)
/**
 * One to decide, one to listen, two opened ahead, and one for each run. The wait for connections is
 * unlimited, because no caller waits for the answer. A call ends soon, so that the next batch gets its turn.
 */
const advancing: Share = {
  ...share(0.4, 4 + mostRunsAtOnce),
  longestWaitMs: Number.POSITIVE_INFINITY,
  longestSeconds: 120,
}
/** For calls that are soon over: reads and cancels must not wait for long runs. */
const brief = share(0.1, 1)

/** What takes connections: a function that runs here, or `advance`, which is the function `batch` while it advances a batch. */
export type Caller = HttpFunctionName | 'batch' | 'advance' | 'monitor'

/** `start-batch` has no share, because it opens no connection: it calls `batch`. */
const shares: Record<Caller, Share | null> = {
  create: operation,
  refresh: operation,
  drop: operation,
  batch: brief,
  advance: advancing,
  'start-batch': null,
  api: brief,
  monitor: brief,
}

/**
 * Calls a function as soon as its connections are free, and tells it how long it may keep them. If they are
 * not free within some seconds, refuses the call with TooManyConnections.
 */
export async function withConnections<T>(
  name: Caller,
  call: (longestSeconds: number) => Promise<T>,
): Promise<T> {
  const own = shares[name]
  if (own === null) return call(Number.POSITIVE_INFINITY)
  if (!(await own.turns.take(own.longestWaitMs))) {
    throw new Problem(
      'TooManyConnections',
      `Other requests have held all connections for ${usualWaitMs / 1000} s. Nothing was begun: try again in some seconds, ` +
        'with fewer requests at once.',
    )
  }
  try {
    return await call(own.longestSeconds)
  } finally {
    own.turns.end()
  }
}
