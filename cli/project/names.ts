import type { QualifiedView } from '../../src/plan/migrations/frozen.ts'
import { parseName } from '../../src/plan/names.ts'

/** A name without a schema is one of `public`, as in a definition. */
export function qualified(text: string, field: string): QualifiedView {
  const { schema, name } = parseName(text, field)
  return { schema: schema ?? 'public', name }
}
