import { Problem } from '../problem.ts'
import { displayName, type QualifiedName } from './names.ts'

/** Why nobody may have a view in a schema; null if somebody may. */
export function schemaFault(schema: string): string | null {
  if (schema === 'viewkeeper') return 'is the schema of Viewkeeper itself: name another one'
  return /^pg_|^information_schema$/.test(schema) ? 'belongs to the server: name another schema' : null
}

/** Why nobody may give a name to a view or an index: Viewkeeper gives it to what it makes for a moment. Null if somebody may. */
export const nameFault = (name: string): string | null =>
  /^viewkeeper_(\d|sandbox_)/.test(name)
    ? 'begins as the names that Viewkeeper gives to views and indexes while it builds them: choose another name'
    : null

/** Refuses (InvalidName) to make a view whose name is reserved. */
export function insistOnFreeName({ schema, name }: QualifiedName): void {
  const fault = schemaFault(schema) ?? nameFault(name)
  if (fault === null) return
  const part = schemaFault(schema) === null ? `name "${name}"` : `schema "${schema}"`
  throw new Problem('InvalidName', `${displayName({ schema, name })} cannot be made: its ${part} ${fault}.`, {
    field: 'view',
  })
}
