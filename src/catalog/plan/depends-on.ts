import { displayName, parseName, type QualifiedName } from '../../sql/names.ts'
import { nearest } from '../../sql/nearest.ts'
import type { GraphEdge, NamedRelation } from './graph.ts'

/** What a view reads by its definition, besides what it reads by the catalog. */
export interface Declared {
  schema: string
  name: string
  /** Names as SQL reads them; a name without a schema is looked for in the view's schema. */
  dependsOn: string[]
}

/**
 * The edges that definitions declare. A name may also be that of a plain view. A name that no relation has at
 * the moment makes no edge.
 */
export function declaredEdges(relations: NamedRelation[], declared: Declared[]): GraphEdge[] {
  const ids = new Map(relations.map(({ id, schema, name }) => [keyOf(schema, name), id]))
  return declared.flatMap(({ schema, name, dependsOn }) => {
    const from = ids.get(keyOf(schema, name))
    if (from === undefined) return []
    return dependsOn.flatMap((text) => {
      const to = ids.get(keyOfText(text, schema))
      return to === undefined ? [] : [{ from, to }]
    })
  })
}

/** The names in `dependsOn` that no view and no table has, in words for the author of the definition. Pure. */
export function unknownDependencies<D extends Declared>(
  definitions: D[],
  known: QualifiedName[],
): { definition: D; message: string }[] {
  const keys = new Set(known.map(({ schema, name }) => keyOf(schema, name)))
  return definitions.flatMap((definition) =>
    definition.dependsOn
      .filter((text) => !keys.has(keyOfText(text, definition.schema)))
      .map((text) => {
        const own = displayName(definition)
        const meant = nearest(
          text,
          known.map(displayName).filter((each) => each !== own),
        )
        const advice =
          meant === undefined ? 'correct it, or create that view first' : `did you mean ${meant}?`
        return { definition, message: `names ${text}, but no view or table has that name: ${advice}` }
      }),
  )
}

function keyOfText(text: string, ownSchema: string): string {
  try {
    const { schema, name } = parseName(text)
    return keyOf(schema ?? ownSchema, name)
  } catch {
    return '' // not a name, so no relation has it
  }
}

const keyOf = (schema: string, name: string): string => JSON.stringify([schema, name])
