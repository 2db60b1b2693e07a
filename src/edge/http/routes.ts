/** The Lambda functions: one file in `functions/` each. */
export const functionNames = [
  'create',
  'refresh',
  'drop',
  'start-batch',
  'open-batch',
  'advance',
  'cancel',
  'pause',
  'query',
  'monitor',
  'prune',
  'migrate',
] as const

export type FunctionName = (typeof functionNames)[number]

/**
 * The HTTP routes: the infrastructure, the local gateway, the functions and the OpenAPI file take them from
 * this table. Paths are written as API Gateway's HTTP API writes them.
 */
export const routes = {
  createView: { method: 'POST', path: '/views/{view}/create', function: 'create' },
  refreshView: { method: 'POST', path: '/views/{view}/refresh', function: 'refresh' },
  dropView: { method: 'POST', path: '/views/{view}/drop', function: 'drop' },
  cancelRun: { method: 'POST', path: '/runs/{id}/cancel', function: 'cancel' },
  startBatch: { method: 'POST', path: '/batches', function: 'start-batch' },
  cancelBatch: { method: 'POST', path: '/batches/{id}/cancel', function: 'cancel' },
  pauseView: { method: 'POST', path: '/views/{view}/pause', function: 'pause' },
  resumeView: { method: 'POST', path: '/views/{view}/resume', function: 'pause' },
  pauseAll: { method: 'POST', path: '/pause', function: 'pause' },
  resumeAll: { method: 'POST', path: '/resume', function: 'pause' },
  listBatches: { method: 'GET', path: '/batches', function: 'query' },
  getBatch: { method: 'GET', path: '/batches/{id}', function: 'query' },
  listViews: { method: 'GET', path: '/views', function: 'query' },
  getView: { method: 'GET', path: '/views/{view}', function: 'query' },
  listRuns: { method: 'GET', path: '/runs', function: 'query' },
  getRun: { method: 'GET', path: '/runs/{id}', function: 'query' },
  getMetrics: { method: 'GET', path: '/metrics', function: 'query' },
  getOpenapi: { method: 'GET', path: '/openapi.json', function: 'query' },
} as const satisfies Record<string, Route>

interface Route {
  method: 'GET' | 'POST'
  path: string
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
