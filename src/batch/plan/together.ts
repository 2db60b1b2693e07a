import { traitsOf } from '../../catalog/plan/definition.ts'
import type { OutlinedReader, Reader } from '../../catalog/plan/live-view.ts'
import {
  findUnfilled,
  isMaterialized,
  materialized,
  type OutlinedScope,
  tooMany,
  withRead,
} from '../../rebuild/plan/scope.ts'
import type { PlannedGroup, TogetherView } from '../../record/plan/batch.ts'
import { quoteName } from '../../sql/names.ts'
import { displayName } from '../../words/names.ts'
import type { Exchange } from '../../words/run.ts'

/** A view that the batch was not to refresh, but rebuilds because readers would be locked out otherwise. */
interface Included {
  id: number
  because: string
}

/** What a batch exchanges together. */
interface PlannedTogether<R extends OutlinedReader = Reader> {
  groups: PlannedGroup<OutlinedScope<R>>[]
  included: Included[]
  /** The views that read each other but are refreshed each by itself, with the reason. */
  each: { view: string; because: string }[]
  /** For each view of a group the views of that group that it reads, by their ids. */
  parents: Map<number, number[]>
}

interface Options {
  exchange: Exchange
  /** What stands in the way of rebuilding a member, by its OID. */
  refusals: Map<number, string>
  /** The room that all shadows of the batch may take; null: no limit. */
  maxShadowBytes: number | null
}

/**
 * Decides which views of a batch are exchanged together. `all` holds all views of the batch with all that reads them;
 * `views` says more of them. A view can be built aside only if every view that reads it, directly or through plain views, is
 * built aside, too: the exchange drops the old view. So views that have to be built aside take along what reads them, even if
 * it is not in the batch. A paused view keeps its data, so it comes along with nothing, and what it reads is refreshed by itself.
 * Views that read each other are one group; no group reads another. Every other view is refreshed by itself; `each` gives the
 * reason if the view belongs together with others. Pure.
 */
export function planTogether<R extends OutlinedReader>(
  all: OutlinedScope<R>,
  views: TogetherView[],
  options: Options,
): PlannedTogether<R> {
  const { maxShadowBytes } = options
  const byName = new Map(views.map((view) => [quoteName(view), view]))
  const viewOf = (reader: OutlinedReader) =>
    isMaterialized(reader) ? byName.get(quoteName(reader.live.view)) : undefined
  const against = reasonsAgainst(all, viewOf, options)
  const groups: PlannedGroup<OutlinedScope<R>>[] = []
  let bytes = 0
  for (const readers of withoutCircles(components(all, against), views, viewOf, against)) {
    const shadowBytes = readers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const because =
      tooMany(readers.filter(isMaterialized).length) ??
      tooLarge(bytes + shadowBytes, shadowBytes, maxShadowBytes)
    if (because !== null) {
      for (const { oid } of readers) against.set(oid, because)
      continue
    }
    bytes += shadowBytes
    const inside = new Set(readers.map(({ oid }) => oid))
    groups.push({
      members: readers.flatMap((reader) => (isFilled(reader, viewOf) ? (viewOf(reader)?.id ?? []) : [])),
      group: {
        members: readers,
        outside: all.outside.filter(({ reads }) => reads.some((read) => inside.has(read))),
      },
      shadowBytes,
    })
  }
  const related = new Set(relatives(all, viewOf))
  return {
    groups,
    included: groups.flatMap(({ group }) => includedIn(group, viewOf)),
    each: all.members.flatMap((member) => {
      const because = against.get(member.oid)
      return because !== undefined &&
        because !== eachByItself &&
        viewOf(member)?.asked &&
        related.has(member.oid)
        ? [{ view: displayName(member.live.view), because }]
        : []
    }),
    parents: new Map(
      groups.flatMap(({ group, members }) => {
        const shown = shownParents(group, viewOf)
        return group.members.flatMap((member) => {
          const id = viewOf(member)?.id
          return id === undefined
            ? []
            : [[id, [...(shown.get(member.oid) ?? [])].filter((parent) => members.includes(parent))] as const]
        })
      }),
    ),
  }
}

/** Why the shadows of a group have no room; null if they have. */
const tooLarge = (bytes: number, ofGroup: number, most: number | null): string | null =>
  most !== null && bytes > most
    ? `its group would take ${ofGroup} bytes on disk, and the shadows of a batch may take ${most} bytes`
    : null

type ViewOf = (reader: OutlinedReader) => TogetherView | undefined

/** A view that the batch was not to refresh stays without data if it has none. */
const isFilled = (reader: OutlinedReader, viewOf: ViewOf): boolean => {
  const view = viewOf(reader)
  return view !== undefined && (reader.populated || view.asked)
}

const eachByItself = 'the batch shows each view when it is ready'

/**
 * What keeps each member from being built aside. A view that is not in the batch, or is to be refreshed in another way, is built
 * aside only if it reads one that has to be.
 */
function reasonsAgainst(
  all: OutlinedScope,
  viewOf: ViewOf,
  { refusals, exchange }: Options,
): Map<number, string> {
  const wanted = wantedTogether(all, viewOf, exchange)
  // Those that a materialized view reads, directly or not.
  const read = withRead(
    all.members,
    materialized(all).flatMap(({ reads }) => reads),
  )
  for (const member of all.members)
    if (read.has(member.oid) && wouldLockOut(member, viewOf(member))) wanted.add(member.oid)
  const readsUnfilled = findUnfilled(all, (member) => isFilled(member, viewOf))
  const refused = new Map<number, string>()
  for (;;) {
    const pulled = withReaders(
      all,
      [...wanted].filter((oid) => !refused.has(oid)),
    )
    const against = new Map(refused)
    for (const member of all.members) {
      const { oid } = member
      const why =
        refusals.get(oid) ??
        (pulled.has(oid)
          ? reasonToStay(member, viewOf(member), readsUnfilled)
          : reasonApart(member, viewOf(member), exchange))
      if (why !== null && !against.has(oid)) against.set(oid, why)
    }
    holdBackParents(all, against)
    holdBackHiddenReaders(all, viewOf, against)
    const more = [...wanted].filter((oid) => against.has(oid) && !refused.has(oid))
    if (more.length === 0) return against
    for (const oid of more) refused.set(oid, against.get(oid) as string)
  }
}

/**
 * The views of which readers may see no mixture: those of a batch that exchanges together. A view that is paused, or has another
 * strategy, may be a mixture with what it reads.
 */
function wantedTogether(all: OutlinedScope, viewOf: ViewOf, exchange: Exchange): Set<number> {
  const mixed = new Map<number, string>()
  const apart = new Map<number, string>()
  for (const member of all.members) {
    const view = viewOf(member)
    const why = reasonApart(member, view, exchange)
    if (why === null) continue
    if (view?.asked && (view.paused || hasOtherStrategy(view))) mixed.set(member.oid, why)
    else apart.set(member.oid, why)
  }
  holdBackParents(all, mixed)
  return new Set(components(all, new Map([...apart, ...mixed])).flatMap((all) => all.map(({ oid }) => oid)))
}

const hasOtherStrategy = (view: TogetherView): boolean => traitsOf(view.strategy).isInPlace

/** Why a view is refreshed by itself as long as no view needs it in its group; null if nothing speaks against a group. */
function reasonApart(
  { live, populated }: OutlinedReader,
  view: TogetherView | undefined,
  exchange: Exchange,
): string | null {
  if (live.view.kind !== 'materialized view') return null
  const name = displayName(live.view)
  if (!view?.asked) return `${name} is not in the batch`
  if (view.paused) return `${name} is paused`
  if (!populated) return `${name} is unpopulated`
  if (hasOtherStrategy(view)) return `${name} is to be refreshed by strategy "${view.strategy}"`
  return exchange === 'each' ? eachByItself : null
}

/** Whether only a rebuild together with all that reads the view spares its readers, or is what was asked for. */
const wouldLockOut = ({ populated }: OutlinedReader, view: TogetherView | undefined): boolean =>
  view?.asked === true &&
  !view.paused &&
  populated &&
  (view.strategy === 'swap' || (view.strategy === 'auto' && !view.hasKey))

/** Why a view cannot come along with what it reads; null if it can. */
function reasonToStay(
  member: OutlinedReader,
  view: TogetherView | undefined,
  readsUnfilled: Map<number, string>,
): string | null {
  if (!isMaterialized(member)) return null
  const name = displayName(member.live.view)
  if (view === undefined) return `${name} is not in the batch`
  if (view.paused) return `${name} is paused`
  if (!view.asked && view.failed) return `${name} is not in the batch, and fails`
  const unfilled = readsUnfilled.get(member.oid)
  return unfilled === undefined ? null : `${name} reads ${unfilled}, which is unpopulated`
}

/** These members, with all that reads them. */
function withReaders({ members }: OutlinedScope, oids: number[]): Set<number> {
  const found = new Set(oids)
  for (const { oid, reads } of members) if (reads.some((read) => found.has(read))) found.add(oid)
  return found
}

/** The members of a group that the batch was not to refresh, each with the reason why it is rebuilt. */
function includedIn(group: OutlinedScope, viewOf: ViewOf): Included[] {
  const shown = shownParents(group, viewOf)
  const names = new Map(group.members.map((member) => [viewOf(member)?.id, displayName(member.live.view)]))
  return group.members.flatMap((member) => {
    const view = viewOf(member)
    if (view === undefined || !isFilled(member, viewOf) || view.asked) return []
    const read = [...(shown.get(member.oid) ?? [])].map((id) => names.get(id)).join(', ')
    const because = `it is not in the batch, but reads ${read}, which cannot be exchanged without it`
    return [{ id: view.id, because }]
  })
}

/** Parents come before children, so one look from the last member to the first one is enough. */
function holdBackParents({ members }: OutlinedScope, against: Map<number, string>): void {
  for (const member of members.toReversed()) {
    const because = against.get(member.oid)
    if (because === undefined) continue
    for (const read of member.reads) if (!against.has(read)) against.set(read, because)
  }
}

/**
 * A view that reads another one through a function, or by its `dependsOn`, would still read the old one while the other one
 * is a shadow. So it is refreshed after the exchange of the other.
 */
function holdBackHiddenReaders(all: OutlinedScope, viewOf: ViewOf, against: Map<number, string>): void {
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
function shownParents({ members }: OutlinedScope, viewOf: ViewOf): Map<number, Set<number>> {
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

/**
 * Members that are to be built, in pieces that do not read each other. Pieces with one materialized view are left out, and so
 * are plain views that read no member of a piece: they stay, and join nothing.
 */
function components<R extends OutlinedReader>(
  { members }: OutlinedScope<R>,
  against: Map<number, string>,
): R[][] {
  const piece = new Map<number, R[]>()
  for (const member of members) {
    if (against.has(member.oid)) continue
    const joined = [
      ...new Set(member.reads.flatMap((read) => [piece.get(read)].filter((p) => p !== undefined))),
    ]
    if (joined.length === 0 && !isMaterialized(member)) continue
    const own = [...joined.flat(), member]
    for (const { oid } of own) piece.set(oid, own)
  }
  const place = new Map(members.map(({ oid }, at) => [oid, at]))
  return [...new Set(piece.values())]
    .map((readers) => readers.toSorted((a, b) => (place.get(a.oid) ?? 0) - (place.get(b.oid) ?? 0)))
    .filter((readers) => readers.filter(isMaterialized).length > 1)
}

/**
 * Leaves out groups that would wait for themselves: a view between two members that is refreshed by itself waits for the
 * exchange of one of them, and the other one waits for that view.
 */
function withoutCircles<R extends OutlinedReader>(
  groups: R[][],
  views: TogetherView[],
  viewOf: ViewOf,
  against: Map<number, string>,
): R[][] {
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
function relatives(all: OutlinedScope, viewOf: ViewOf): number[] {
  const shown = shownParents(all, viewOf)
  const read = new Set([...shown.values()].flatMap((ids) => [...ids]))
  return all.members.flatMap((member) => {
    const id = viewOf(member)?.id
    return id !== undefined && (read.has(id) || (shown.get(member.oid)?.size ?? 0) > 0) ? [member.oid] : []
  })
}

/** A view of a batch, or one that may come along. */
interface CandidateView {
  id: number
  asked: boolean
  includedBecause: string | null
  parents: number[]
}

/**
 * The views of a batch on which it was decided: those that it was to refresh, and those that come along. Within a group a view waits for every member that it reads. `groups` are the groups that were made. Pure.
 */
export function viewsTogether<View extends CandidateView>(
  candidates: View[],
  { included, parents }: Pick<PlannedTogether, 'included' | 'parents'>,
  groups: Pick<PlannedGroup<unknown>, 'members'>[],
): View[] {
  const grouped = new Set(groups.flatMap(({ members }) => members))
  const because = new Map(included.filter(({ id }) => grouped.has(id)).map((each) => [each.id, each.because]))
  return candidates
    .filter(({ id, asked }) => asked || because.has(id))
    .map((view) => ({
      ...view,
      includedBecause: because.get(view.id) ?? view.includedBecause,
      parents: grouped.has(view.id)
        ? [...new Set([...view.parents, ...(parents.get(view.id) ?? [])])]
        : view.parents,
    }))
}
