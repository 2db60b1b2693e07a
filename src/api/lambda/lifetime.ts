import { AsyncLocalStorage } from 'node:async_hooks'
import { Logger } from '@aws-lambda-powertools/logger'
import type { Context } from 'aws-lambda'
import type { Waiting } from '../../server/connect.ts'
import { visibly } from '../../words/for-people.ts'

/** Writes JSON lines into the function's log group. Secrets and row data never go in. */
export const logger = new Logger({ serviceName: 'viewkeeper', jsonReplacerFn: visibly })

/** A function answers this long before Lambda ends it. */
const reserveMs = 1000

/** HTTP APIs give up 30 s after they got the request. */
const longestAnswerMs = 28_000

/** When work has to end, so that the function can still answer: so long before Lambda ends it (epoch milliseconds). */
export const endOfWork = (context: Pick<Context, 'getRemainingTimeInMillis'>, reserveMs: number): number =>
  Date.now() + context.getRemainingTimeInMillis() - reserveMs

const calls = new AsyncLocalStorage<number | undefined>()

/** Handles an event. The database is waited for as long as the event can still be answered then. */
export function withinLifetime<T>(event: unknown, context: Context, handle: () => Promise<T>): Promise<T> {
  const { requestContext } = (event ?? {}) as { requestContext?: { timeEpoch?: number } }
  const ofFunction = endOfWork(context, reserveMs)
  const ofGateway = (requestContext?.timeEpoch ?? Number.POSITIVE_INFINITY) + longestAnswerMs
  return calls.run(Math.min(ofFunction, ofGateway), handle)
}

/** Works without waiting for a server that is away. */
export const withoutWaiting = <T>(work: () => Promise<T>): Promise<T> => calls.run(undefined, work)

/** How functions wait for a database that sleeps: as long as they can still answer then. Each wait is a line of the log. */
export const waiting: Waiting = {
  answerBy: () => calls.getStore(),
  onWaited: (waited) => logger.warn('waited for the database', waited),
}

/** The same for work whose caller waits no longer than this. */
export const answeredWithin = <T>(ms: number, work: () => Promise<T>): Promise<T> =>
  calls.run(Math.min(calls.getStore() ?? Number.POSITIVE_INFINITY, Date.now() + ms), work)
