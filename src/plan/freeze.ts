import { type Definition, definitionDefaults } from './definition.ts'
import { type FrozenFile, type FrozenStep, frozenState, type QualifiedView } from './frozen.ts'
import { quoteName } from './names.ts'

/** What is to be frozen. */
export interface FreezeRequest {
  /** Every authored definition, each after those it reads. */
  authored: Definition[]
  /** What is frozen already, in order. */
  migrations: { up: FrozenFile }[]
  why: string
  /** Only these; null is all. */
  only: QualifiedView[] | null
  renames: { from: QualifiedView; to: QualifiedView }[]
  removes: QualifiedView[]
  /** A query without what makes no difference to it: white space, comments. */
  canonical: (sql: string) => string
}

/** A migration that is not written yet. */
export interface NewMigration {
  /** The words of its file's name. */
  words: string
  view: QualifiedView
  /** The fields that changed; empty for a view that is new. */
  changed: string[]
  up: FrozenFile
  down: FrozenFile
}

/**
 * Which migrations bring what is frozen to what is authored, each with its way back: renamed views first, then the new and the
 * changed ones, then the removed, those that read others first. Empty where nothing has changed. Pure.
 */
export function planFreeze(request: FreezeRequest): NewMigration[] {
  const { authored, migrations, why, only, renames, removes, canonical } = request
  const state = frozenState(migrations)
  const chosen = only && new Set(only.map(quoteName))
  const file = (step: FrozenStep): FrozenFile => ({ step, why })
  const renamed = renames.map(({ from, to }): NewMigration => {
    const definition = state.get(quoteName(from))
    state.delete(quoteName(from))
    if (definition) state.set(quoteName(to), { ...definition, ...to })
    return {
      words: to.name,
      view: to,
      changed: ['name'],
      up: file({ does: 'rename', view: from, to }),
      down: file({ does: 'rename', view: to, to: from }),
    }
  })
  const defined = authored.flatMap((definition): NewMigration[] => {
    if (chosen && !chosen.has(quoteName(definition))) return []
    const before = state.get(quoteName(definition))
    const changed = before ? changedFields(before, definition, canonical) : []
    if (before && changed.length === 0) return []
    const view = { schema: definition.schema, name: definition.name }
    const back: FrozenStep = before ? { does: 'define', definition: before } : { does: 'drop', view }
    return [
      { words: definition.name, view, changed, up: file({ does: 'define', definition }), down: file(back) },
    ]
  })
  const order = [...state.keys()]
  const removed = removes
    .toSorted((a, b) => order.indexOf(quoteName(b)) - order.indexOf(quoteName(a)))
    .flatMap((view): NewMigration[] => {
      const definition = state.get(quoteName(view))
      return definition
        ? [
            {
              words: `remove_${view.name}`,
              view,
              changed: [],
              up: file({ does: 'drop', view }),
              down: file({ does: 'define', definition }),
            },
          ]
        : []
    })
  return [...renamed, ...defined, ...removed]
}

/** The fields in which two definitions differ, in the author's words. */
export function changedFields(
  before: Definition,
  after: Definition,
  canonical: (sql: string) => string = (sql) => sql,
): string[] {
  const fields = Object.keys(definitionDefaults) as (keyof typeof definitionDefaults)[]
  return [
    ...(canonical(before.sql) === canonical(after.sql) ? [] : ['query']),
    ...fields.filter((field) => stable(before[field]) !== stable(after[field])),
  ]
}

/** JSON in which the order of the keys makes no difference. */
const stable = (value: unknown): string =>
  JSON.stringify(value, (_, held) =>
    held !== null && typeof held === 'object' && !Array.isArray(held)
      ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)))
      : held,
  )

/** Frozen views that nobody authors any more, and that no rename or removal accounts for. */
export const unaccounted = ({ authored, migrations, renames, removes }: FreezeRequest): Definition[] => {
  const known = new Set([...authored, ...renames.map(({ from }) => from), ...removes].map(quoteName))
  return [...frozenState(migrations).values()].filter((definition) => !known.has(quoteName(definition)))
}
