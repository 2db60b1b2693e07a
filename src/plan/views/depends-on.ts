import { parseName } from '../names.ts'
import type { GraphEdge, NamedRelation } from './graph.ts'

/** What the definition of a view says it reads besides what the catalog knows. */
export interface Declared {
  schema: string
  name: string
  /** Names as SQL reads them; one without a schema is looked for in the view's own. */
  dependsOn: string[]
}

/**
 * The edges that definitions declare. A name may be that of a plain view as well. One that stands for nothing, any
 * more or yet, orders nothing.
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
    return '' // no name, and so nobody's
  }
}

const keyOf = (schema: string, name: string): string => JSON.stringify([schema, name])
