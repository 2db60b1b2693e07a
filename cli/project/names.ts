import { parseName, type QualifiedName } from '../../src/sql/names.ts'

/** Parses a view's name. Without a schema the schema is `public`, as in a definition. */
export function qualified(text: string, field: string): QualifiedName {
  const { schema, name } = parseName(text, field)
  return { schema: schema ?? 'public', name }
}
