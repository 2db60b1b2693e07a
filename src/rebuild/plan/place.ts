import type { LiveView } from '../../catalog/plan/live-view.ts'
import { namesBeside, type TwinNames } from '../../catalog/plan/twin-names.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'
import { requalify } from './requalify.ts'
import type { Member, Scope } from './scope.ts'

/** Views that are rebuilt, and where their twins are made. */
export interface Rebuild {
  scope: Scope
  place: Place
}

/** Where twins are made, and where the old views stay for a moment. */
export interface Place {
  /** Tells rebuilds of one time apart. */
  key: string
  /** The schema of the twins of views in `schema`. */
  twins(schema: string): string
  old(schema: string): string
  /** Schemas of their own, that only owners of members may use; none if the one twin stands beside its view. */
  schemas: string[]
  /** Whether statistics objects are made among the twins, too, under their own names: twins that are never exchanged. */
  movesStatistics?: boolean
}

/**
 * Beside the view, under another name, because a login needs a right to make schemas. Only a view alone is rebuilt so: what
 * reads other members has to find their twins by the names of the views.
 */
export const beside = (key: string, scope: Scope): Rebuild => ({
  scope,
  place: { key, twins: (schema) => schema, old: (schema) => schema, schemas: [] },
})

/**
 * Apart, in schemas of their own, where a twin keeps the name of its view. Each schema has one of its own for twins,
 * because views of two schemas may have one name. No schema of twins begins as another one does: their numbers are equally long.
 */
export function apart(key: string, scope: Scope): Rebuild {
  const schemas = [...new Set(scope.members.map(({ live }) => live.view.schema))].sort()
  const digits = String(schemas.length - 1).length
  const twins = (schema: string) =>
    `viewkeeper_${key}_${String(schemas.indexOf(schema)).padStart(digits, '0')}`
  const old = (schema: string) => `${twins(schema)}_old`
  const all = schemas.flatMap((schema) => [twins(schema), old(schema)])
  return { scope, place: { key, twins, old, schemas: all } }
}

/**
 * Whether nobody has touched the privileges on a view, so that the catalog has none, but a new view in its schema would get
 * default privileges. What an owner's default privileges give in every schema, nothing prevents.
 */
export const losesNull = ({ untouchedGrants, defaultGrants }: LiveView): boolean =>
  untouchedGrants && defaultGrants.length > 0 && defaultGrants.every(({ everywhere }) => !everywhere)

/** Whether the twins stand in schemas of their own. */
export const isApart = ({ place }: Rebuild): boolean => place.schemas.length > 0

/** Tells apart the twins of groups that batches build at the same time. */
export const batchKey = ({ serial }: { serial: number }, number: number): string => `b${serial}_${number}`

/**
 * The names of a twin, which is to be like `live`. Statistics objects usually stay in their schemas, because `set schema` does
 * not move them along; the key keeps two twins of one view apart.
 */
export function twinNames(
  rebuild: Rebuild,
  { oid }: Member,
  { view, indexes, statistics }: LiveView,
): TwinNames {
  const { place } = rebuild
  if (!isApart(rebuild)) return namesBeside(place.key, view.schema)
  return {
    ...namesBeside(`${place.key}_${oid}`, view.schema),
    view: { schema: place.twins(view.schema), name: view.name },
    old: { schema: place.old(view.schema), name: view.name },
    index: (at) => indexes[at]?.name ?? '',
    ...(place.movesStatistics && { statistics: (at) => statistics[at]?.name ?? '' }),
  }
}

/** The name of a member's twin. */
export const twinName = (rebuild: Rebuild, member: Member): QualifiedName =>
  twinNames(rebuild, member, member.live).view

/** Rewrites SQL: it reads twins, which stand apart, instead of their views. */
export function onTwins({ scope, place }: Rebuild): (sql: string) => string {
  const moved = new Map(
    scope.members.map(({ live: { view } }) => [quoteName(view), place.twins(view.schema)]),
  )
  return (sql) => requalify(sql, moved)
}

/** A view with all its SQL on twins. */
export function viewOnTwins(rebuild: Rebuild, live: LiveView): LiveView {
  const on = onTwins(rebuild)
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
      schema: rebuild.place.movesStatistics ? rebuild.place.twins(live.view.schema) : each.schema,
      middle: on(each.middle),
    })),
  }
}
