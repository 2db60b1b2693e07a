import type {
  LiveView,
  OutlinedReader,
  PlainReader,
  Reader,
  ViewSnapshot,
} from '../../catalog/plan/live-view.ts'
import { namesBeside, queryViewOf, quoteName, type ShadowNames } from '../../sql/names.ts'
import { reached } from '../../sql/walks.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { requalify } from './requalify.ts'

/** A view that is rebuilt. */
export interface Member extends Reader {
  /** How the view is to be after the exchange; without it, as it is. */
  wanted?: LiveView
}

/** The view as its shadow is made. */
export const wantedOf = ({ live, wanted }: Member): LiveView => wanted ?? live

/** The views that are rebuilt together: materialized views, and the plain views that stand between them. Parents before children. */
export interface Scope {
  members: Member[]
}

/** A scope as far as the catalog's columns tell. `outside`: the plain views that read a member, but are not rebuilt. */
export interface OutlinedScope<R extends OutlinedReader = OutlinedReader> {
  members: R[]
  outside: R[]
}

/** So many materialized views are exchanged at one moment, at most: each locks readers out for some 1.3 ms, and holds some ten locks. */
const mostTogether = 250

/** Why so many views are not exchanged at one moment; null if they may be. */
export const tooMany = (views: number): string | null =>
  views > mostTogether
    ? `its group would have ${views} views, and no more than ${mostTogether} are exchanged at one moment`
    : null

/** The scope of a view that no materialized view reads. It is filled if its plan has data. */
export const alone = (oid: number, snapshot: ViewSnapshot, wanted?: LiveView): Scope => ({
  members: [{ ...snapshot, oid, populated: true, sizeBytes: 0, reads: [], ...(wanted && { wanted }) }],
})

/** Arranges views and all their readers, parents first, as one scope. A plain view that is to change is rebuilt. */
export function together<R extends OutlinedReader & Pick<Member, 'wanted'>>(readers: R[]): OutlinedScope<R> {
  const rebuilt = readers.filter((reader) => isMaterialized(reader) || reader.wanted !== undefined)
  const inside = withRead(
    readers,
    rebuilt.map(({ oid }) => oid),
  )
  return {
    members: readers.filter(({ oid }) => inside.has(oid)),
    outside: readers.filter(({ oid, reads }) => !inside.has(oid) && reads.some((read) => inside.has(read))),
  }
}

/**
 * The OIDs of the members whose columns are to get other types, and of all that read them, directly or not: there, the same text may mean
 * something else.
 */
export function retyped({ members }: Scope): Set<number> {
  const typesOf = ({ columns }: LiveView) => JSON.stringify(columns.map(({ name, type }) => [name, type]))
  const found = new Set<number>()
  for (const { oid, live, wanted, reads } of members)
    if ((wanted !== undefined && typesOf(wanted) !== typesOf(live)) || reads.some((read) => found.has(read)))
      found.add(oid)
  return found
}

/** The OIDs of these views with all that they read among the readers, directly or not. */
export function withRead(readers: OutlinedReader[], oids: number[]): Set<number> {
  const reads = new Map(readers.map((reader) => [reader.oid, reader.reads]))
  return reached(oids, (oid) => reads.get(oid) ?? [])
}

/** The plain views that read a member, but are not rebuilt: `create or replace` keeps what hangs on them. By OID. */
export function outsideOf({ members }: Scope): PlainReader[] {
  const inside = new Set(members.map(({ oid }) => oid))
  const plain = members.flatMap(({ live }) => live.dependents.flatMap(({ view }) => view ?? []))
  return [...new Map(plain.map((view) => [view.oid, view])).values()]
    .filter(({ oid }) => !inside.has(oid))
    .sort((a, b) => a.oid - b.oid)
}

/** Whether a reader has rows of its own. */
export const isMaterialized = ({ live }: OutlinedReader): boolean => live.view.kind !== 'view'

/** The materialized views of a scope. */
export const materialized = <R extends OutlinedReader>({ members }: { members: R[] }): R[] =>
  members.filter(isMaterialized)

/**
 * The members with data that read one without, directly or through plain views, each with its name. Parents come before
 * children.
 */
export function findUnfilled<R extends OutlinedReader>(
  { members }: { members: R[] },
  isFilled: (member: R) => boolean,
): Map<number, string> {
  const empty = new Map<number, string>()
  const found = new Map<number, string>()
  for (const member of members) {
    const { oid, live, reads } = member
    const read = reads.map((each) => empty.get(each)).find((name) => name !== undefined)
    if (isMaterialized(member) && !isFilled(member)) empty.set(oid, displayName(live.view))
    else if (read !== undefined) (isMaterialized(member) ? found : empty).set(oid, read)
  }
  return found
}

/** All views of a scope, sorted by OID. */
export const everything = <R extends OutlinedReader>({ members, outside }: OutlinedScope<R>): R[] =>
  [...members, ...outside].sort((a, b) => a.oid - b.oid)

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

/** What has the query of a member's shadow: the shadow, or the plain view beside it if that is an incremental table. */
export const shadowQuery = (rebuild: Rebuild, member: Member): QualifiedName => {
  const shadow = shadowName(rebuild, member)
  return wantedOf(member).view.kind === 'table' ? queryViewOf(shadow) : shadow
}

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
