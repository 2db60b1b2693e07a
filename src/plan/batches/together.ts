import type { Group } from '../groups/group.ts'
import { displayName, quoteName } from '../names.ts'
import type { Strategy } from '../views/definition.ts'
import type { Reader } from '../views/readers.ts'

/** A view of a batch, as far as it matters for what is exchanged together. */
export interface TogetherView {
  /** The id of the view's definition. */
  id: number
  schema: string
  name: string
  /** Ids of the views in the batch that the view reads, in whatever way. */
  parents: number[]
  paused: boolean
  /** The strategy of the batch, or of the view's definition. */
  strategy: Strategy
}

/** Views of a batch that are built aside and exchanged at one moment. */
export interface PlannedGroup {
  /** The ids of the materialized views, parents first. */
  members: number[]
  group: Group
  twinBytes: number
}

interface Options {
  /** What stands in the way of rebuilding a member, by its OID. */
  obstacles: Map<number, string>
  /** The room that all twins of the batch may take; null: no limit. */
  maxTwinBytes: number | null
}

/**
 * Decides which views of a batch are exchanged together. `all` holds all views of the batch with all that reads them. A view
 * can be built aside only if every view that reads it, directly or through plain views, is built aside, too: the exchange
 * drops the old view. The largest such set falls into groups that do not read each other. Every other view is refreshed by
 * itself; `each` gives the reason if the view belongs together with others. Pure.
 */
export function planTogether(
  all: Group,
  views: TogetherView[],
  { obstacles, maxTwinBytes }: Options,
): { groups: PlannedGroup[]; each: { view: string; because: string }[] } {
  const byName = new Map(views.map((view) => [quoteName(view), view]))
  const viewOf = ({ live }: Reader) =>
    live.view.kind === 'materialized view' ? byName.get(quoteName(live.view)) : undefined
  const against = new Map<number, string>()
  for (const member of all.members) {
    const why = reasonAgainst(member, viewOf(member), obstacles)
    if (why !== null) against.set(member.oid, why)
  }
  holdBackParents(all, against)
  holdBackHiddenReaders(all, viewOf, against)
  const groups: PlannedGroup[] = []
  let bytes = 0
  for (const readers of withoutCircles(components(all, against), views, viewOf, against)) {
    const twinBytes = readers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (maxTwinBytes !== null && bytes + twinBytes > maxTwinBytes) {
      const because = `its group would take ${twinBytes} bytes on disk, and the twins of a batch may take ${maxTwinBytes} bytes`
      for (const { oid } of readers) against.set(oid, because)
      continue
    }
    bytes += twinBytes
    const inside = new Set(readers.map(({ oid }) => oid))
    groups.push({
      members: readers.flatMap((reader) => viewOf(reader)?.id ?? []),
      group: {
        members: readers,
        outside: all.outside.filter(({ reads }) => reads.some((read) => inside.has(read))),
      },
      twinBytes,
    })
  }
  const related = new Set(relatives(all, viewOf))
  return {
    groups,
    each: all.members.flatMap((member) => {
      const because = against.get(member.oid)
      return because !== undefined && related.has(member.oid)
        ? [{ view: displayName(member.live.view), because }]
        : []
    }),
  }
}

type ViewOf = (reader: Reader) => TogetherView | undefined

function reasonAgainst(
  { oid, live, populated }: Reader,
  view: TogetherView | undefined,
  obstacles: Map<number, string>,
): string | null {
  if (live.view.kind === 'materialized view') {
    if (view === undefined) return `${displayName(live.view)} is not in the batch`
    if (view.paused) return `${displayName(live.view)} is paused`
    if (!populated) return `${displayName(live.view)} is unpopulated`
    if (view.strategy === 'regular' || view.strategy === 'concurrent')
      return `${displayName(live.view)} is to be refreshed by strategy "${view.strategy}"`
  }
  return obstacles.get(oid) ?? null
}

/** Parents come before children, so one look from the last member to the first one is enough. */
function holdBackParents({ members }: Group, against: Map<number, string>): void {
  for (const member of members.toReversed()) {
    const because = against.get(member.oid)
    if (because === undefined) continue
    for (const read of member.reads) if (!against.has(read)) against.set(read, because)
  }
}

/**
 * A view that reads another one through a function, or by its `dependsOn`, would still read the old one while the other one
 * is a twin. So it is refreshed after the exchange of the other.
 */
function holdBackHiddenReaders(all: Group, viewOf: ViewOf, against: Map<number, string>): void {
  const oidOf = new Map(all.members.flatMap((member) => [[viewOf(member)?.id, member.oid] as const]))
  const shown = shownParents(all, viewOf)
  for (const member of all.members) {
    const hidden = viewOf(member)?.parents.find((id) => {
      const oid = oidOf.get(id)
      return oid !== undefined && !against.has(oid) && !shown.get(member.oid)?.has(id)
    })
    if (hidden === undefined || against.has(member.oid)) continue
    against.set(
      member.oid,
      `${displayName(member.live.view)} reads another view of the batch in a way that the catalog does not show`,
    )
    holdBackParents(all, against)
  }
}

/** For each member the ids of the views that its query reads, directly or through plain views. */
function shownParents({ members }: Group, viewOf: ViewOf): Map<number, Set<number>> {
  const byOid = new Map(members.map((member) => [member.oid, member]))
  const parents = new Map<number, Set<number>>()
  for (const { oid, reads } of members) {
    const found = new Set<number>()
    for (const read of reads) {
      const parent = byOid.get(read)
      if (parent === undefined) continue
      const id = viewOf(parent)?.id
      if (id !== undefined) found.add(id)
      else for (const above of parents.get(read) ?? []) found.add(above)
    }
    parents.set(oid, found)
  }
  return parents
}

/** Members that are to be built, in pieces that do not read each other. Pieces with one materialized view are left out. */
function components({ members }: Group, against: Map<number, string>): Reader[][] {
  const piece = new Map<number, Reader[]>()
  for (const member of members) {
    if (against.has(member.oid)) continue
    const joined = [
      ...new Set(member.reads.flatMap((read) => [piece.get(read)].filter((p) => p !== undefined))),
    ]
    const own = [...joined.flat(), member]
    for (const { oid } of own) piece.set(oid, own)
  }
  const place = new Map(members.map(({ oid }, at) => [oid, at]))
  return [...new Set(piece.values())]
    .map((readers) => readers.toSorted((a, b) => (place.get(a.oid) ?? 0) - (place.get(b.oid) ?? 0)))
    .filter((readers) => readers.filter(({ live }) => live.view.kind === 'materialized view').length > 1)
}

/**
 * Leaves out groups that would wait for themselves: a view between two members that is refreshed by itself waits for the
 * exchange of one of them, and the other one waits for that view.
 */
function withoutCircles(
  groups: Reader[][],
  views: TogetherView[],
  viewOf: ViewOf,
  against: Map<number, string>,
): Reader[][] {
  const ids = groups.map((readers) => readers.flatMap((reader) => viewOf(reader)?.id ?? []))
  const grouped = new Set(ids.flat())
  const parentsOf = new Map(views.map(({ id, parents }) => [id, parents]))
  const singles = views.filter(({ id }) => !grouped.has(id)).map(({ id }) => [id])
  const ended = new Set<number>()
  let waiting = [...singles, ...ids]
  for (let before = -1; before < ended.size; ) {
    before = ended.size
    waiting = waiting.filter((together) => {
      const inside = new Set(together)
      const waits = together
        .flatMap((id) => parentsOf.get(id) ?? [])
        .some((parent) => !inside.has(parent) && !ended.has(parent))
      if (!waits) for (const id of together) ended.add(id)
      return waits
    })
  }
  return groups.filter((readers, at) => {
    if (ids[at]?.every((id) => ended.has(id))) return true
    for (const { oid } of readers)
      against.set(oid, 'a view that is refreshed by itself stands between views of its group')
    return false
  })
}

/** The OIDs of the views of the batch that another view of the batch reads, or that read one. */
function relatives(all: Group, viewOf: ViewOf): number[] {
  const shown = shownParents(all, viewOf)
  const read = new Set([...shown.values()].flatMap((ids) => [...ids]))
  return all.members.flatMap((member) => {
    const id = viewOf(member)?.id
    return id !== undefined && (read.has(id) || (shown.get(member.oid)?.size ?? 0) > 0) ? [member.oid] : []
  })
}
