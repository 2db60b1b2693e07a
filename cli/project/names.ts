import { displayName, parseName, type QualifiedName } from '../../src/plan/names.ts'

/** Parses a view's name. Without a schema the schema is `public`, as in a definition. */
export function qualified(text: string, field: string): QualifiedName {
  const { schema, name } = parseName(text, field)
  return { schema: schema ?? 'public', name }
}

/**
 * A view's name as an argument in a shell, or `old=new` if it gets another name. Schema `public` is left out; a name with
 * quotes gets single quotes around it.
 */
export function asArgument({ schema, name }: QualifiedName, newName?: string): string {
  const shown = (each: string) => displayName({ schema: schema === 'public' ? null : schema, name: each })
  const text = newName === undefined ? shown(name) : `${shown(name)}=${shown(newName)}`
  return text.includes('"') ? `'${text}'` : text
}
