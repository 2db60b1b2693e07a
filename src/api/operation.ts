import * as z from 'zod/mini'
import type { Call, Result } from '../run/call.ts'
import type { Trigger } from '../words/run.ts'
import { described, integer, type viewPath } from './request-fields.ts'
import { goesOn, type Route, route, type Served } from './route.ts'

/** Options of every operation. */
export const operationFields = {
  timeoutSeconds: described(z.optional(integer(1, 86_400)), {
    description: 'The longest time of the operation on the server, with the wait for locks.',
  }),
}

type DeclaredOperation<Body extends z.ZodMiniObject, Text extends `/${string}`> = Pick<
  Route<'POST', typeof viewPath, undefined, Body, z.core.$ZodType, Text>,
  'method' | 'path' | 'policy' | 'function' | 'says'
> & {
  takes: { path: typeof viewPath; body: Body }
  perform(request: { view: string } & z.output<Body>, call: Call): Promise<Result>
}

/** The route of an operation on one view. What performs it stands with it, because schedules call for the same. */
export const operation = <Body extends z.ZodMiniObject, Text extends `/${string}`>({
  perform,
  ...declared
}: DeclaredOperation<Body, Text>) => ({
  ...route({
    ...declared,
    waits: 'for the end',
    key: 'run',
    gives: async () => (await import('./answers.ts')).result,
    location: goesOn,
    async answer(served, input, caller) {
      const result = await perform(input as { view: string } & z.output<Body>, {
        ...caller,
        database: served.database,
      })
      const { error, ...succeeded } = logged(result, caller.trigger, served)
      if (error === undefined) return succeeded
      throw await (await import('./failure.ts')).failureOf(result, error, served)
    },
  }),
  perform,
})

/** Logs how the run stands. */
export function logged(result: Result, trigger: Trigger, { logger }: Pick<Served, 'logger'>): Result {
  const { runId, view, operation, status, response, error } = result
  logger.info(`${operation} ${status}`, {
    runId,
    view,
    operation,
    trigger,
    status,
    strategy: response.strategy,
    durationMs: response.durationMs,
    ...(error === undefined ? {} : { class: error.class, sqlstate: error.sqlstate }),
  })
  return result
}
