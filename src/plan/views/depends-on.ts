import { parseName } from '../names.ts'
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

function keyOfText(text: string, ownSchema: string): string {
  try {
    const { schema, name } = parseName(text)
    return keyOf(schema ?? ownSchema, name)
  } catch {
    return '' // not a name, so no relation has it
  }
}

const keyOf = (schema: string, name: string): string => JSON.stringify([schema, name])
