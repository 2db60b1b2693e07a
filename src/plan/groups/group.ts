import { type AsideNames, asideNames } from '../runs/aside-names.ts'
import type { LiveView } from '../views/live-view.ts'
import type { OutlinedReader, Reader } from '../views/readers.ts'

/** A view that is rebuilt. */
export interface Member extends Reader {
  /** How the view is to be after the exchange; without it, as it is. */
  wanted?: LiveView
}

/** The view as its twin is built. */
export const wantedOf = ({ live, wanted }: Member): LiveView => wanted ?? live

/** A view with everything that reads it, transitively. */
export interface Group {
  /**
   * The materialized views, and the plain views that stand between them: all these are rebuilt. Parents before children.
   */
  members: Member[]
  /** Plain views above all materialized views that read a member: `create or replace` keeps what hangs on them. */
  outside: Reader[]
}

/** A group as far as the catalog's columns tell. */
export interface OutlinedGroup<R extends OutlinedReader = OutlinedReader> {
  members: R[]
  outside: R[]
}

/** Arranges views and all their readers, parents first, as one group. A plain view that is to change is rebuilt. */
export function groupOf<R extends OutlinedReader & Pick<Member, 'wanted'>>(readers: R[]): OutlinedGroup<R> {
  const inside = new Set<number>()
  for (const { oid, live, wanted, reads } of readers.toReversed()) {
    if (live.view.kind === 'materialized view' || wanted !== undefined || inside.has(oid)) {
      inside.add(oid)
      for (const read of reads) inside.add(read)
    }
  }
  return {
    members: readers.filter(({ oid }) => inside.has(oid)),
    outside: readers.filter(({ oid, reads }) => !inside.has(oid) && reads.some((read) => inside.has(read))),
  }
}

/** The materialized views of a group. */
export const materialized = <R extends OutlinedReader>({ members }: { members: R[] }): R[] =>
  members.filter(({ live }) => live.view.kind === 'materialized view')

/** All views of a group, sorted by OID. */
export const everything = <R extends OutlinedReader>({ members, outside }: OutlinedGroup<R>): R[] =>
  [...members, ...outside].sort((a, b) => a.oid - b.oid)

/** Where the twins are built, and where the old views stay for a moment: schemas that only owners of members may use. */
export interface Places {
  /** Tells groups apart that are built at the same time. */
  key: string
  /** The schema of the twins of views in `schema`. A twin keeps the name of its view. */
  twins(schema: string): string
  old(schema: string): string
  /** All these schemas. */
  schemas: string[]
}

/** Tells apart the twins of groups that batches build at the same time. */
export const batchKey = ({ serial }: { serial: number }, number: number): string => `b${serial}_${number}`

/** Schemas of twins that a batch builds, whose keys are as `batchKey` writes them. */
export const batchPlaces = '^viewkeeper_b[0-9]+_[0-9]+_[0-9]+(_old)?$'

/**
 * Places for one group. Each schema has one of its own for twins,
 * because views of two schemas may have one name. No schema of twins begins as another one does: their numbers are equally long.
 */
export function placesOf(key: string, { members }: Group): Places {
  const schemas = [...new Set(members.map(({ live }) => live.view.schema))].sort()
  const digits = String(schemas.length - 1).length
  const twins = (schema: string) =>
    `viewkeeper_${key}_${String(schemas.indexOf(schema)).padStart(digits, '0')}`
  const old = (schema: string) => `${twins(schema)}_old`
  return { key, twins, old, schemas: schemas.flatMap((schema) => [twins(schema), old(schema)]) }
}

/**
 * The names of a twin. Statistics objects stay in their schemas, because `set schema` does not move them along; the key
 * keeps two twins of one view apart.
 */
export const groupNames = (oid: number, { view, indexes }: LiveView, places: Places): AsideNames => ({
  ...asideNames(`${places.key}_${oid}`, view.schema),
  view: { schema: places.twins(view.schema), name: view.name },
  old: { schema: places.old(view.schema), name: view.name },
  index: (at) => indexes[at]?.name ?? '',
})
