import { makeLogger } from '../../../serve/process.ts'
import type { AnyRoute, Caller } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { keeperOf } from '../../../src/keeper/keeper.ts'
import { termsOf } from '../../../src/keeper/terms.ts'
import type { Database } from '../../../src/server/database.ts'

/** What routes work with in a process that advances its batches, and says nothing. */
export const servedOn = (database: Database) => ({
  ...termsOf({}),
  database,
  typed: null,
  logger: makeLogger('SILENT'),
  advance: keeperOf(database, {}).advancer.advance,
})

/** What a route was asked. */
export interface AskedRoute {
  method: string
  /** With what its path named. */
  path: string
  input: Record<string, unknown>
  caller: Caller
  function: string
}

/** All routes, each answered by this instead of its use case. */
export const answering = (answer: (asked: AskedRoute) => unknown) =>
  (Object.values(routes) as AnyRoute[]).map((route) => ({
    ...route,
    answer: async (_served: unknown, input: Record<string, unknown>, caller: Caller) =>
      answer({
        method: route.method,
        path: route.path.replace(/\{(\w+)\}/g, (_, name) => String(input[name])),
        input,
        caller,
        function: route.function,
      }),
  }))
