import type { LiveView } from '../../catalog/plan/live-view.ts'
import { namesBeside, type ShadowNames } from '../../catalog/plan/shadow-names.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'
import { requalify } from './requalify.ts'
import type { Member, Scope } from './scope.ts'

/** Views that are rebuilt, and where their shadows are made. */
export interface Rebuild {
  scope: Scope
  place: Place
}

/** Where shadows are made, and where the old views stay for a moment. */
export interface Place {
  /** Tells rebuilds of one time apart. */
  key: string
  /** The schema of the shadows of views in `schema`. */
  shadows(schema: string): string
  old(schema: string): string
  /** Schemas of their own, that only owners of members may use; none if the one shadow stands beside its view. */
  schemas: string[]
  /** Whether statistics objects are made among the shadows, too, under their own names: shadows that are never exchanged. */
  movesStatistics?: boolean
}

/**
 * Beside the view, under another name, because a login needs a right to make schemas. Only a view alone is rebuilt so: what
 * reads other members has to find their shadows by the names of the views.
 */
export const beside = (key: string, scope: Scope): Rebuild => ({
  scope,
  place: { key, shadows: (schema) => schema, old: (schema) => schema, schemas: [] },
})

/**
 * Apart, in schemas of their own, where a shadow keeps the name of its view. Each schema has one of its own for shadows,
 * because views of two schemas may have one name. No schema of shadows begins as another one does: their numbers are equally long.
 */
export function apart(key: string, scope: Scope): Rebuild {
  const schemas = [...new Set(scope.members.map(({ live }) => live.view.schema))].sort()
  const digits = String(schemas.length - 1).length
  const shadows = (schema: string) =>
    `viewkeeper_${key}_${String(schemas.indexOf(schema)).padStart(digits, '0')}`
  const old = (schema: string) => `${shadows(schema)}_old`
  const all = schemas.flatMap((schema) => [shadows(schema), old(schema)])
  return { scope, place: { key, shadows, old, schemas: all } }
}

/**
 * Whether nobody has touched the privileges on a view, so that the catalog has none, but a new view in its schema would get
 * default privileges. What an owner's default privileges give in every schema, nothing prevents.
 */
export const losesNull = ({ untouchedGrants, defaultGrants }: LiveView): boolean =>
  untouchedGrants && defaultGrants.length > 0 && defaultGrants.every(({ everywhere }) => !everywhere)

/** Whether the shadows stand in schemas of their own. */
export const isApart = ({ place }: Rebuild): boolean => place.schemas.length > 0

/** Tells apart the shadows of groups that batches build at the same time. */
export const batchKey = ({ serial }: { serial: number }, number: number): string => `b${serial}_${number}`

/**
 * The names of a shadow, which is to be like `live`. Statistics objects usually stay in their schemas, because `set schema` does
 * not move them along; the key keeps two shadows of one view apart.
 */
export function shadowNames(
  rebuild: Rebuild,
  { oid }: Member,
  { view, indexes, statistics }: LiveView,
): ShadowNames {
  const { place } = rebuild
  if (!isApart(rebuild)) return namesBeside(place.key, view.schema)
  return {
    ...namesBeside(`${place.key}_${oid}`, view.schema),
    view: { schema: place.shadows(view.schema), name: view.name },
    old: { schema: place.old(view.schema), name: view.name },
    index: (at) => indexes[at]?.name ?? '',
    ...(place.movesStatistics && { statistics: (at) => statistics[at]?.name ?? '' }),
  }
}

/** The name of a member's shadow. */
export const shadowName = (rebuild: Rebuild, member: Member): QualifiedName =>
  shadowNames(rebuild, member, member.live).view

/** Rewrites SQL: it reads shadows, which stand apart, instead of their views. */
export function onShadows({ scope, place }: Rebuild): (sql: string) => string {
  const moved = new Map(
    scope.members.map(({ live: { view } }) => [quoteName(view), place.shadows(view.schema)]),
  )
  return (sql) => requalify(sql, moved)
}

/** A view with all its SQL on shadows. */
export function viewOnShadows(rebuild: Rebuild, live: LiveView): LiveView {
  const on = onShadows(rebuild)
  return {
    ...live,
    view: { ...live.view, definition: on(live.view.definition) },
    columns: live.columns.map((column) => ({
      ...column,
      default: column.default === null ? null : on(column.default),
    })),
    indexes: live.indexes.map((index) => ({ ...index, rest: on(index.rest) })),
    statistics: live.statistics.map((each) => ({
      ...each,
      schema: rebuild.place.movesStatistics ? rebuild.place.shadows(live.view.schema) : each.schema,
      middle: on(each.middle),
    })),
  }
}
