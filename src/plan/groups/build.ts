import { displayName, literal, quoteName } from '../names.ts'
import type { Plan } from '../plan.ts'
import { recordChecks } from '../runs/check-data.ts'
import { countBefore, countTwin } from '../runs/counting.ts'
import { besideReaders } from '../runs/locks.ts'
import { ownersSeal } from '../runs/rebuild.ts'
import type { RunOptions } from '../runs/refresh.ts'
import type { Reader } from '../views/readers.ts'
import type { ViewFacts } from '../views/view-facts.ts'
import { type Group, groupNames, materialized, type Places } from './group.ts'
import { checkTwin, fillTwin } from './twins.ts'

/**
 * Plans the run of one member of a group: it fills the member's twin, which exists already, and ends as built. Nobody sees
 * the twin, and the view stays as it is. Pure.
 */
export function planBuild(
  group: Group,
  member: Reader,
  view: ViewFacts,
  places: Places,
  { rowCountStrategy, timeoutSeconds, ifRunning, settings, checking }: RunOptions,
): Plan {
  const twin = groupNames(member.oid, member.live, places).view
  return {
    ifRunning,
    basis: { sql: `select (to_regclass(${literal(quoteName(twin))}) is not null)::text`, is: 'true' },
    settings,
    result: 'updated',
    fills: true,
    prepare: [
      ...countBefore(view, rowCountStrategy),
      ...fillTwin(member, places),
      ...checkTwin(group, member, places, checking),
      ...countTwin(twin, ownersSeal(member.live), rowCountStrategy),
    ],
    cutOver: besideReaders(view, recordChecks([checking]), timeoutSeconds),
    written: null,
    builds: true,
    aside: [],
  }
}

/** Why the view of a member is built aside, for the run's answer; `along`: why although the batch was not to refresh it. */
export function becauseTogether(group: Group, { oid }: Reader, along: string | null): string {
  const others = materialized(group).filter((member) => member.oid !== oid)
  const together = `the batch exchanges it at one moment with ${others.map(({ live }) => displayName(live.view)).join(', ')}`
  return along === null ? together : `${together}: ${along}`
}
