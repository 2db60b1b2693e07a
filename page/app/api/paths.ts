/**
 * The path of a view. A name that needs percent-encoding goes by id, because libraries that sign requests
 * encode such names differently.
 */
export function viewPath({ view, id }: { view: string; id?: number | null }): string {
  if (/^[\w.]+$/.test(view) || id === null || id === undefined) return `/views/${encodeURIComponent(view)}`
  return `/views/${id}`
}

/** A path with these parameters; those that are undefined or empty are left out. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const parameters = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  if (parameters.length === 0) return path
  return `${path}?${parameters.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join('&')}`
}
