import type * as z from 'zod/mini'
import type { Route } from '../../src/api/route.ts'
import { type Answer, type RouteName, type Routes, routes } from '../../src/api/routes.ts'
import type { Api, SendOptions } from './api.ts'

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
  api: Pick<Api, 'send'>,
  name: Name,
  asked: Asks<Name> & Pick<SendOptions, 'wait' | 'idempotencyKey'>,
): Promise<Answer<Name>> {
  const { view, id, ...options } = asked as SendOptions & { view?: string | number; id?: string | number }
  const { method, path } = routes[name]
  const whole = path.replace(/\{\w+\}/, encodeURIComponent(String(view ?? id).trim()))
  return (await api.send<Answer<Name>>(method, whole, options)).body
}
