/** A pattern of `--select` as the API takes it. */
export interface Select {
  pattern: string
  ancestors?: true
  descendants?: true
}

/** A glob as the API takes it, on `schema.name`. */
export const patternOf = (glob: string): string => (glob.includes('.') ? glob : `*.${glob}`)

/**
 * Reads `sales.*`, `+sales.*` (also everything that these views read) and `sales.*+` (also everything that reads them).
 * A pattern without a schema fits views of every schema. Quotes are taken off: the pattern is compared with plain names.
 */
export function parseSelect(text: string): Select {
  const ancestors = text.startsWith('+')
  const descendants = text.length > 1 && text.endsWith('+')
  const glob = text.slice(ancestors ? 1 : 0, descendants ? -1 : undefined).replaceAll('"', '')
  return {
    pattern: patternOf(glob),
    ...(ancestors && { ancestors: true as const }),
    ...(descendants && { descendants: true as const }),
  }
}
