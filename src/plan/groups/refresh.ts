import { displayName, type QualifiedName } from '../names.ts'
import type { Plan } from '../plan.ts'
import { type Checking, recordsFirst } from '../runs/check-data.ts'
import { countBefore, countTwin } from '../runs/counting.ts'
import { ownersSeal } from '../runs/rebuild.ts'
import type { RunOptions } from '../runs/refresh.ts'
import type { ViewFacts } from '../views/view-facts.ts'
import { exchange, nothingHasChanged } from './exchange.ts'
import { type Group, groupNames, type Member, materialized, placesOf, wantedOf } from './group.ts'
import { basisOf, proveTwins } from './proof.ts'
import { buildTwins, checkTwin, closePlaces, copyGrantsOf, fillTwin, makePlaces } from './twins.ts'

/**
 * Plans the refresh of a view together with all views that read it: all are rebuilt aside, parents first, and exchanged at
 * one moment. Members that are to change, change with it. Pure. `definitionOf` gives the id of a view's definition,
 * `checkingOf` its checks. Members that hold no data stay so; without `withData` (default: true) none is filled.
 */
export function planGroupRefresh(
  group: Group,
  root: ViewFacts,
  options: Omit<RunOptions, 'checking'> & { withData?: boolean },
  definitionOf: (view: QualifiedName) => number,
  checkingOf: (view: QualifiedName) => Checking | null | undefined,
): Plan {
  const { rowCountStrategy, ifRunning, settings, withData = true } = options
  const places = placesOf(root.aside, group)
  const first = group.members.find(({ oid }) => oid === root.oid) as Member
  const twin = groupNames(root.oid, first.live, places).view
  const filled = materialized(group).filter(({ populated }) => populated)
  const others = filled
    .filter(({ oid }) => oid !== root.oid)
    .map(({ live: { view } }) => ({
      definitionId: definitionOf(view),
      schema: view.schema,
      name: view.name,
      view: displayName(view),
    }))
  return {
    ifRunning,
    basis: basisOf(group),
    settings,
    result: 'updated',
    fills: withData && first.populated,
    prepare: [
      ...countBefore(root, rowCountStrategy),
      ...makePlaces(group, places),
      ...buildTwins(group, places),
      ...closePlaces(group, places),
      ...proveTwins(group, places),
      ...(withData ? filled : []).flatMap((member) => [
        ...fillTwin(member, places),
        ...checkTwin(group, member, places, checkingOf(member.live.view)),
      ]),
      ...countTwin(twin, ownersSeal(wantedOf(first)), rowCountStrategy),
      ...copyGrantsOf(group, places),
      // This check delays nobody, and finds a change made during the build. The same check under the locks decides.
      nothingHasChanged(group),
    ],
    cutOver: recordsFirst(
      exchange(group, places, options),
      (withData ? filled : []).map(({ live }) => checkingOf(live.view)),
    ),
    written: null,
    ...(others.length === 0 ? {} : { members: others }),
    aside: [],
  }
}
