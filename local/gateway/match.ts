import { type RouteName, routes } from '../../src/edge/http/routes.ts'

export interface Match {
  route: (typeof routes)[RouteName]
  parameters: Record<string, string>
}

/** The route that answers a method and a path, with its path parameters decoded once; undefined where there is none. */
export function matchRoute(method: string, path: string): Match | undefined {
  const segments = path.split('/')
  for (const route of Object.values(routes)) {
    const wanted = route.path.split('/')
    if (route.method !== method || wanted.length !== segments.length) continue
    const parameters: Record<string, string> = {}
    const fits = wanted.every((name, i) => {
      const segment = segments[i]!
      if (!name.startsWith('{')) return name === segment
      parameters[name.slice(1, -1)] = decode(segment)
      return segment !== ''
    })
    if (fits) return { route, parameters }
  }
  return undefined
}

/** Decodes what is percent-encoded; a stray `%` is left as it is. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
