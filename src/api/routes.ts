import type { FunctionName } from './functions.ts'

/** What callers may do: the managed policies of an environment, and the rights of tokens. Each allows what the ones before it allow, and more. */
export const policyNames = ['read', 'refresh', 'operate', 'define'] as const

export type PolicyName = (typeof policyNames)[number]

/** Whether one policy allows what another one allows. */
export const includes = (policy: PolicyName, other: PolicyName): boolean =>
  policyNames.indexOf(policy) >= policyNames.indexOf(other)

/**
 * The HTTP routes: the infrastructure, the local gateway, the functions and the OpenAPI file take them from
 * this table. Paths are written as API Gateway's HTTP API writes them.
 */
export const routes = {
  createView: { method: 'POST', path: '/views/{view}/create', function: 'create', policy: 'define' },
  refreshView: { method: 'POST', path: '/views/{view}/refresh', function: 'refresh', policy: 'refresh' },
  checkView: { method: 'POST', path: '/views/{view}/check', function: 'api', policy: 'refresh' },
  dropView: { method: 'POST', path: '/views/{view}/drop', function: 'drop', policy: 'define' },
  cancelRun: { method: 'POST', path: '/runs/{id}/cancel', function: 'api', policy: 'operate' },
  startBatch: { method: 'POST', path: '/batches', function: 'start-batch', policy: 'refresh' },
  cancelBatch: { method: 'POST', path: '/batches/{id}/cancel', function: 'api', policy: 'operate' },
  pauseView: { method: 'POST', path: '/views/{view}/pause', function: 'api', policy: 'operate' },
  resumeView: { method: 'POST', path: '/views/{view}/resume', function: 'api', policy: 'operate' },
  pauseAll: { method: 'POST', path: '/pause', function: 'api', policy: 'operate' },
  resumeAll: { method: 'POST', path: '/resume', function: 'api', policy: 'operate' },
  listBatches: { method: 'GET', path: '/batches', function: 'api', policy: 'read' },
  getBatch: { method: 'GET', path: '/batches/{id}', function: 'api', policy: 'read' },
  listViews: { method: 'GET', path: '/views', function: 'api', policy: 'read' },
  getView: { method: 'GET', path: '/views/{view}', function: 'api', policy: 'read' },
  getWhy: { method: 'GET', path: '/views/{view}/why', function: 'api', policy: 'read' },
  listRuns: { method: 'GET', path: '/runs', function: 'api', policy: 'read' },
  getRun: { method: 'GET', path: '/runs/{id}', function: 'api', policy: 'read' },
  listActions: { method: 'GET', path: '/actions', function: 'api', policy: 'read' },
  listDays: { method: 'GET', path: '/days', function: 'api', policy: 'read' },
  getPlan: { method: 'GET', path: '/plan', function: 'api', policy: 'read' },
  getMetrics: { method: 'GET', path: '/metrics', function: 'api', policy: 'read' },
  getOpenapi: { method: 'GET', path: '/openapi.json', function: 'api', policy: 'read' },
} as const satisfies Record<string, Route>

interface Route {
  method: 'GET' | 'POST'
  path: string
  /** The narrowest of the managed policies that allows the route. */
  policy: PolicyName
  /** The function that answers. */
  function: FunctionName
}

type Routes = typeof routes
export type RouteName = keyof Routes

/** The functions that answer at least one route. */
export type HttpFunctionName = Routes[RouteName]['function']

/** The names of the routes that a function answers. */
export type RouteNameOf<Name extends FunctionName> = {
  [Route in RouteName]: Routes[Route]['function'] extends Name ? Route : never
}[RouteName]

/** API Gateway's name of a route, as it stands in an event's `routeKey`: `GET /views/{view}`. */
export const routeKey = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`
