import { type RouteName, routes } from './routes.ts'

export interface Match {
  route: (typeof routes)[RouteName]
  parameters: Record<string, string>
}

/**
 * The route of a method and a path, with its path parameters, decoded once; undefined if there is no such
 * route.
 */
export function matchRoute(method: string, path: string): Match | undefined {
  const segments = path.split('/')
  for (const route of Object.values(routes)) {
    const places = route.path.split('/')
    if (route.method !== method || places.length !== segments.length) continue
    const parameters: Record<string, string> = {}
    const fits = places.every((name, i) => {
      const segment = segments[i]!
      if (!name.startsWith('{')) return name === segment
      parameters[name.slice(1, -1)] = decode(segment)
      return segment !== ''
    })
    if (fits) return { route, parameters }
  }
  return undefined
}

/** Decodes percent-encoded text. A text with a stray `%` stays as it is. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
