/**
 * Every HTTP route, once: the infrastructure, the local gateway, the functions and the OpenAPI file are derived
 * from this table. Paths are written as API Gateway's HTTP API writes them.
 */
export const routes = {
  createView: { method: 'POST', path: '/views/{view}/create', function: 'create' },
  refreshView: { method: 'POST', path: '/views/{view}/refresh', function: 'refresh' },
  dropView: { method: 'POST', path: '/views/{view}/drop', function: 'drop' },
  cancelRun: { method: 'POST', path: '/runs/{id}/cancel', function: 'cancel' },
  listViews: { method: 'GET', path: '/views', function: 'query' },
  getView: { method: 'GET', path: '/views/{view}', function: 'query' },
  listRuns: { method: 'GET', path: '/runs', function: 'query' },
  getRun: { method: 'GET', path: '/runs/{id}', function: 'query' },
  getOpenapi: { method: 'GET', path: '/openapi.json', function: 'query' },
} as const satisfies Record<string, Route>

export interface Route {
  method: 'GET' | 'POST'
  path: string
  /** The file in `functions/` that answers. */
  function: 'create' | 'refresh' | 'drop' | 'cancel' | 'query'
}

export type RouteName = keyof typeof routes

/** API Gateway's name of a route, as it stands in an event's `routeKey`: `GET /views/{view}`. */
export const routeKey = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`
