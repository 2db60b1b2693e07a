import type * as z from 'zod/mini'
import { describedRoutes } from './described-routes.ts'
import type { AnyRoute } from './route.ts'
import { getOpenapi } from './routes/openapi.ts'

/** Every route. HTTP, OpenAPI, API Gateway, policies and tokens, the clients and the engine take them from here. */
export const routes = { ...describedRoutes, getOpenapi }

export type Routes = typeof routes
export type RouteName = keyof Routes

/** The route that a request's method and path are for; undefined: there is none. */
export function routeAt(method: string, path: string): AnyRoute | undefined {
  const fits = (route: AnyRoute) =>
    route.method === method && new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path)
  return (Object.values(routes) as AnyRoute[]).find(fits)
}

/** What a route answers with a status of 2xx. */
export type Answer<Name extends RouteName> = z.output<Awaited<ReturnType<Routes[Name]['gives']>>>
