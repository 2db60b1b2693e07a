import type { View } from '../../src/api/answers.ts'
import { isGlob, withSchema } from '../../src/words/glob.ts'
import { didYouMean, parseName, type QualifiedName } from '../../src/words/names.ts'
import { Problem } from '../../src/words/problem.ts'

/** Parses a view's name. Without a schema the schema is `public`, as in a definition. */
export function qualified(text: string, field: string): QualifiedName {
  const { schema, name } = parseName(text, field)
  return { schema: schema ?? 'public', name }
}

/** A pattern of `--select` as the API takes it. */
interface Select {
  pattern: string
  ancestors?: true
  descendants?: true
}

/**
 * Reads `sales.*`, `+sales.*` (also everything that these views read) and `sales.*+` (also everything that reads them).
 * A pattern without a schema fits views of every schema. Quotes that quote nothing are taken off: older versions know none.
 */
export function parseSelect(text: string): Select {
  const ancestors = text.startsWith('+')
  const descendants = text.length > 1 && text.endsWith('+')
  const glob = text
    .slice(ancestors ? 1 : 0, descendants ? -1 : undefined)
    .replaceAll(/(?<!&)"([^"*?.]+)"(?!")/g, '$1')
  return {
    pattern: withSchema(glob),
    ...(ancestors && { ancestors: true as const }),
    ...(descendants && { descendants: true as const }),
  }
}

/** No view has this name, or fits this glob: with the name that was probably meant. */
export function noView(pattern: string, views: View[]): Problem {
  const meant = isGlob(pattern) ? '' : didYouMean(parseName(pattern), views)
  return new Problem('UnknownView', `No view ${isGlob(pattern) ? 'fits' : 'is called'} ${pattern}.${meant}`, {
    field: 'pattern',
  })
}
