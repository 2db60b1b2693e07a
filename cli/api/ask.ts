import { routes } from '../../src/api/routes.ts'
import type { Answers } from '../../src/api/schemas/answers.ts'
import type { Api, SendOptions } from './api.ts'

/** What the path of a route names: `{ view }`, `{ id }`, or nothing. */
type Named<Path> = Path extends `${string}{${infer Part}}${string}` ? Record<Part, string | number> : unknown

/**
 * Asks a route, and gives what it answers with a status of 2xx. The path and the type of the answer are those of the table of
 * routes. Throws as `send` does.
 */
export async function ask<Name extends keyof Answers>(
  api: Pick<Api, 'send'>,
  name: Name,
  {
    view,
    id,
    ...options
  }: SendOptions & Named<(typeof routes)[Name]['path']> & Partial<Record<'view' | 'id', string | number>>,
): Promise<Answers[Name]> {
  const { method, path } = routes[name]
  const whole = path.replace(/\{\w+\}/, encodeURIComponent(String(view ?? id).trim()))
  return (await api.send<Answers[Name]>(method, whole, options)).body
}
