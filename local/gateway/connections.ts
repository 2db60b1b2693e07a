import { Problem } from '../../src/problem.ts'
import { makeTurns } from './turns.ts'

/** All functions together never have more connections open here: a server as it comes has 100, and others want some. */
export const mostConnections = 40

/** How many runs whoever advances a batch sends at once here, whatever the batch allows. */
export const mostRunsOfDriver = 4

const patienceMs = 5000

/**
 * Functions that share a part of the connections, each call with all that it may need: one that had to wait for its second
 * connection while it holds the first could wait for ever.
 */
const share = (part: number, perCall: number) => ({
  turns: makeTurns(Math.floor((mostConnections * part) / perCall)),
  patienceMs,
  longestSeconds: Number.POSITIVE_INFINITY,
})

/** One to plan and to look, one on which the server works. */
const operation = share(0.5, 2)
/** One to decide, one to listen, two opened ahead, and the runs. Nobody waits for an answer of it; and it leaves soon, for the next batch. */
const advancing = {
  ...share(0.4, 4 + mostRunsOfDriver),
  patienceMs: Number.POSITIVE_INFINITY,
  longestSeconds: 120,
}
/** Reads and cancels, which callers of long runs must not shut out. */
const brief = share(0.1, 1)

const shares: Record<string, typeof operation | null> = {
  create: operation,
  refresh: operation,
  drop: operation,
  advance: advancing,
  // It has none of its own: it calls open-batch.
  'start-batch': null,
}

/**
 * Performs a call of a function when the connections that it needs are free, telling it how long it may keep them; refuses it
 * with TooManyConnections when they are not for some seconds.
 */
export async function withConnections<T>(
  name: string,
  call: (longestSeconds: number) => Promise<T>,
): Promise<T> {
  const { [name]: its = brief } = shares
  if (its === null) return call(Number.POSITIVE_INFINITY)
  if (!(await its.turns.take(its.patienceMs))) {
    throw new Problem(
      'TooManyConnections',
      `Others have held the connections for ${patienceMs / 1000} s. Nothing was begun: try again in some seconds, with fewer ` +
        'requests at once.',
    )
  }
  try {
    return await call(its.longestSeconds)
  } finally {
    its.turns.end()
  }
}
