import type { Definition } from '../../catalog/plan/definition.ts'
import { displayName, parseName, type QualifiedName, quoteName } from '../../sql/names.ts'
import { type FrozenMigration, frozenState, viewAfter, viewChangesOf } from './frozen.ts'

/** A view that is frozen and that no later migration has removed, and the migration that says how it is. */
export interface LivingView {
  definition: Definition
  migration: FrozenMigration
}

/** The views that a database with these migrations has to have, in the order in which they were frozen. */
export function livingViews(migrations: FrozenMigration[]): LivingView[] {
  const latest = new Map<string, FrozenMigration>()
  for (const migration of migrations) {
    for (const change of viewChangesOf(migration.up.change))
      if (change.does === 'define' || change.does === 'rename')
        latest.set(quoteName(viewAfter(change)), migration)
  }
  return [...frozenState(migrations)].map(([name, definition]) => ({
    definition,
    migration: latest.get(name) as FrozenMigration,
  }))
}

/** Whether one of these migrations makes a view anew, or removes it. One that changes several views needs them all. */
export const isMadeAnyway = (view: QualifiedName, pending: FrozenMigration[]): boolean =>
  pending.some(
    ({ up: { change } }) =>
      (change.does === 'define' || change.does === 'drop') &&
      quoteName(viewAfter(change)) === quoteName(view),
  )

/** Whether a query may read something of this name: the name is a word of its text. */
const mentions = (sql: string, { name }: QualifiedName): boolean =>
  new RegExp(`(^|[^\\w$])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}($|[^\\w$])`, 'i').test(sql)

/** The views among `others` that a view declares to read. */
export function declaredAmong({ schema, dependsOn }: Definition, others: QualifiedName[]): QualifiedName[] {
  const names = dependsOn.map((text) => {
    const declared = parseName(text, 'dependsOn')
    return quoteName({ schema: declared.schema ?? schema, name: declared.name })
  })
  return others.filter((other) => names.includes(quoteName(other)))
}

/** The missing views among `views` that a view may need, in words. */
export const firstNeeded = ({ sql, schema, name }: Definition, views: QualifiedName[]): string[] =>
  views
    .filter((other) => quoteName(other) !== quoteName({ schema, name }) && mentions(sql, other))
    .map((other) => `${displayName(other)} is missing too.`)
