/**
 * Every HTTP route, once: the infrastructure, the local gateway, the functions and the OpenAPI file are derived
 * from this table. Paths are written as API Gateway's HTTP API writes them.
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

export interface Route {
  method: 'GET' | 'POST'
  path: string
  /** The file in `functions/` that answers. */
  function: 'create' | 'refresh' | 'drop' | 'cancel' | 'query' | 'start-batch' | 'pause'
}

export type RouteName = keyof typeof routes

/** API Gateway's name of a route, as it stands in an event's `routeKey`: `GET /views/{view}`. */
export const routeKey = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`
