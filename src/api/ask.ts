import type * as z from 'zod/mini'
import type { Route } from './route.ts'
import { type Answer, type RouteName, type Routes, routes } from './routes.ts'

export interface SendOptions {
  query?: Record<string, string | number | undefined>
  body?: object
  wait?: number
  idempotencyKey?: string
}

/** The routes, wherever they are answered: over HTTP, or in this process. */
export interface Api {
  /**
   * Sends a request, and gives the body of an answer 2xx. `path` is encoded already and has no query. `wait` is in
   * seconds (`Prefer: wait`). Any other answer is thrown as a {@link Problem} with its code, its detail and its ids.
   */
  send<Body>(
    method: 'GET' | 'POST',
    path: string,
    options?: SendOptions,
  ): Promise<{ status: number; body: Body }>
}

/** A path with these parameters; those that are undefined are left out. */
export function withQuery(path: string, query: SendOptions['query'] = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  const search = new URLSearchParams(given).toString()
  return search === '' ? path : `${path}?${search}`
}

/** What a route takes in its path, its query and its body. */
type Asks<Name extends RouteName> =
  Routes[Name] extends Route<infer _Method, infer Path, infer Query, infer Body, infer _Gives>
    ? (Path extends z.ZodMiniObject ? Record<keyof Path['shape'], string | number> : unknown) &
        (Query extends z.ZodMiniObject
          ? { query?: Partial<Record<keyof Query['shape'], string | number | undefined>> }
          : unknown) &
        (Body extends z.ZodMiniObject ? { body?: z.input<Body> } : unknown)
    : never

/**
 * Asks a route, and gives what it answers with a status of 2xx. What it takes and answers is what its declaration says. Throws as
 * `send` does.
 */
export async function ask<Name extends RouteName>(
  api: Api,
  name: Name,
  asked: Asks<Name> & Pick<SendOptions, 'wait' | 'idempotencyKey'>,
): Promise<Answer<Name>> {
  const { view, id, ...options } = asked as SendOptions & { view?: string | number; id?: string | number }
  const { method, path } = routes[name]
  const whole = path.replace(/\{\w+\}/, encodeURIComponent(String(view ?? id).trim()))
  return (await api.send<Answer<Name>>(method, whole, options)).body
}
