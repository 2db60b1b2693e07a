import type { LiveView, PlainReader, ViewSnapshot } from '../../catalog/plan/live-view.ts'
import type { OutlinedReader, Reader } from '../../catalog/plan/readers.ts'
import { displayName } from '../../sql/names.ts'
import { reached } from '../../sql/walks.ts'

/** A view that is rebuilt. */
export interface Member extends Reader {
  /** How the view is to be after the cut-over; without it, as it is. */
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
export const isMaterialized = ({ live }: OutlinedReader): boolean => live.view.kind === 'materialized view'

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
