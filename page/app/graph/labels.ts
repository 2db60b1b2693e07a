import { schemaAndName } from '../words/schema-and-name.ts'
import type { Linked } from './linked.ts'

/** The letters that a box has room for. */
const longest = 32

/** What stands in the box of each view: its name, without the schema if all views have the same, cut if it is long. */
export function labelled<View extends Linked>(views: View[]): (View & { label: string })[] {
  const named = views.map((view) => ({ view, parts: schemaAndName(view.view) }))
  const isOne = new Set(named.map(({ parts: [schema] }) => schema)).size === 1
  return named.map(({ view, parts: [schema, name] }) => {
    const label = isOne ? name : schema + name
    return { ...view, label: label.length > longest ? `${label.slice(0, longest - 1)}…` : label }
  })
}
