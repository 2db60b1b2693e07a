import { displayName, type QualifiedName, quoteName } from '../names.ts'
import { type Definition, definitionDefaults } from '../views/definition.ts'
import type { Difference } from '../views/differences.ts'
import { type FrozenChange, type FrozenFile, frozenState } from './frozen.ts'

/** What is to be frozen. */
export interface FreezeRequest {
  /** Every authored definition, each after those it reads. */
  authored: Definition[]
  /** What is frozen already, in order. */
  migrations: { up: FrozenFile }[]
  why: string
  /** Only these; null is all. */
  only: QualifiedName[] | null
  renames: { from: QualifiedName; to: QualifiedName }[]
  /** In the order in which they can go. */
  removes: QualifiedName[]
  /** New views are there already: the way back of each leaves it alone instead of dropping it. */
  adopts?: boolean
  /** A query without what makes no difference to it: white space, comments. */
  canonical: (sql: string) => string
}

/** A migration that is not written yet. */
export interface NewMigration {
  /** The words of its file's name. */
  words: string
  view: QualifiedName
  /** The fields that changed; empty for a view that is new. */
  changed: string[]
  up: FrozenFile
  down: FrozenFile
}

/**
 * Which migrations bring what is frozen to what is authored, each with its way back: renamed views first, then the new and the
 * changed ones, then the removed. Empty where nothing has changed. Pure.
 */
export function planFreeze(request: FreezeRequest): NewMigration[] {
  const { authored, migrations, why, only, renames, removes, adopts, canonical } = request
  const state = frozenState(migrations)
  const chosen = only && new Set(only.map(quoteName))
  const file = (change: FrozenChange): FrozenFile => ({ change, why })
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
    const back: FrozenChange = before
      ? { does: 'define', definition: before }
      : { does: adopts ? 'release' : 'drop', view }
    return [
      { words: definition.name, view, changed, up: file({ does: 'define', definition }), down: file(back) },
    ]
  })
  const removed = removes.flatMap((view): NewMigration[] => {
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
export const unaccounted = ({
  authored,
  migrations,
  renames,
  removes,
}: Pick<FreezeRequest, 'authored' | 'migrations' | 'renames' | 'removes'>): Definition[] => {
  const known = new Set([...authored, ...renames.map(({ from }) => from), ...removes].map(quoteName))
  return [...frozenState(migrations).values()].filter((definition) => !known.has(quoteName(definition)))
}

/** How what is authored differs from what is frozen. Pure. */
export function authoredDifferences(
  authored: Definition[],
  migrations: { up: FrozenFile; name: string }[],
  canonical: (sql: string) => string,
): Difference[] {
  const frozen = frozenState(migrations)
  const frozenIn = (view: string) => migrations.findLast(({ up }) => resultOf(up) === view)?.name
  return [
    ...authored.flatMap((definition): Difference[] => {
      const view = displayName(definition)
      const before = frozen.get(quoteName(definition))
      if (before === undefined) return [{ view, kind: 'unfrozen', message: 'it was never frozen' }]
      const changed = changedFields(before, definition, canonical)
      return changed.length === 0
        ? []
        : [
            {
              view,
              kind: 'unfrozen',
              message: `${changed.join(', ')} changed since ${frozenIn(view) ?? 'it was frozen'}`,
            },
          ]
    }),
    ...unaccounted({ authored, migrations, renames: [], removes: [] }).map((definition): Difference => {
      const view = displayName(definition)
      return {
        view,
        kind: 'unauthored',
        message: `frozen in ${frozenIn(view) ?? 'migrations/'}, and authored nowhere`,
      }
    }),
  ]
}

/** The name of the view that a migration leaves behind. */
function resultOf({ change }: FrozenFile): string | null {
  if (change.does === 'define') return displayName(change.definition)
  return change.does === 'rename' ? displayName(change.to) : null
}
