import { displayName } from '../names.ts'
import type { Plan } from '../plan.ts'
import type { LiveView } from '../views/live-view.ts'
import type { Reader } from '../views/readers.ts'
import { exchange } from './exchange.ts'
import type { Group, Places } from './group.ts'
import { areFaithful, basisOf } from './proof.ts'
import { replayCheap } from './replay.ts'
import { copyGrantsOf } from './twins.ts'

/**
 * Says what has changed since the twins of `built` were made, so that they cannot be exchanged: members, queries, columns,
 * indexes, statistics objects. Null if nothing has changed but what is cheap: the exchange carries that over. Pure.
 */
export function whatChanged(built: Group, now: Group): string | null {
  const there = new Map(now.members.map((member) => [member.oid, member]))
  for (const { oid, live } of built.members) {
    const found = there.get(oid)
    if (found === undefined) return `${displayName(live.view)} was exchanged or dropped during the batch`
    if (costly(live) !== costly(found.live)) return `${displayName(live.view)} was altered during the batch`
  }
  const known = new Set(built.members.map(({ oid }) => oid))
  const added = now.members.find(({ oid }) => !known.has(oid))
  return added === undefined
    ? null
    : `${displayName(added.live.view)}, which reads a view of the group, was made during the batch`
}

/** Plans the exchange of twins that are all filled. `now` are the facts of this moment. Pure. */
export function planExchangeOfBuilt(
  built: Group,
  now: Group,
  places: Places,
  { timeoutSeconds, members }: { timeoutSeconds: number; members: NonNullable<Plan['members']> },
): Plan {
  const before = new Map(built.members.map((member) => [member.oid, member]))
  const cheap = (member: Reader) => {
    const old = before.get(member.oid)
    return old === undefined || old.hash === member.hash ? [] : replayCheap(now, old.live, member, places)
  }
  return {
    ifRunning: 'wait',
    basis: basisOf(now),
    settings: {},
    result: 'updated',
    fills: true,
    prepare: [...now.members.flatMap(cheap), ...copyGrantsOf(now, places), ...areFaithful(now, places)],
    cutOver: exchange(now, places, { timeoutSeconds }),
    written: null,
    members,
    aside: [],
  }
}

/** What of a view binds a filled twin, as one text: jsonb has one order of keys. Everything else is cheap. */
const costly = ({ view, columns, indexes, statistics }: LiveView): string =>
  JSON.stringify({
    view: { ...view, options: null, toastOptions: null, replicaIdentity: null, comment: null },
    columns: columns.map((column) => ({
      ...column,
      statistics: null,
      options: null,
      default: null,
      comment: null,
    })),
    indexes: indexes.map((index) => ({ ...index, statistics: null, comment: null })),
    statistics: statistics.map((each) => ({ ...each, target: null, comment: null })),
  })
