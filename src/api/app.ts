import { Hono } from 'hono'
import type { AnyRoute } from './route.ts'

/** What a request has that Hono has matched: parameters that it has decoded, and a query with commas between values of one name. */
export interface Matched {
  route: AnyRoute
  path: Record<string, string>
  query: Record<string, string>
}

/** The application of these routes: it matches requests, and has them answered. */
export function appOf<Bindings extends object>(
  routes: object,
  answer: (matched: Matched, bindings: Bindings) => Promise<Response>,
): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>()
  for (const route of Object.values(routes) as AnyRoute[])
    app.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), (context) => {
      const { req, env } = context
      const query = Object.entries(req.queries()).map(([name, values]) => [name, values.join()])
      return answer({ route, path: req.param(), query: Object.fromEntries(query) }, env)
    })
  return app
}
