import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { Problem } from '../../problem.ts'
import type { Shown } from '../../slices/plan/shown.ts'
import { displayName, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { type AroundFilling, closePlace, openPlace } from './make.ts'
import { areFaithful } from './prove.ts'
import { type Member, type Rebuild, type Scope, shadowName } from './scope.ts'
import { ownersSandboxed, withOptions } from './shadow.ts'

/** A materialized view that shows a plain view as it is, and what fills its shadow from its own rows and from its query. */
export interface SlicesAnew {
  view: Member
  shown: Member
  /** The query of its rows, with the columns of the plain view, for `kept`, its old rows, and `query`, that of the plain view. */
  rows(kept: string, query: string): string
}

/**
 * Fills a shadow by slices. Meanwhile the shadow of the plain view that it shows reads the old rows, without these slices, and of its own query
 * only these: the one statement that fills sees both at one moment, and readers of neither. Then the shadow gets its own query
 * again, and is proved a copy as before. Nothing here is seen before the exchange. Pure.
 */
export function fillBySlices(rebuild: Rebuild, { view, shown, rows }: SlicesAnew): AroundFilling {
  const { options, definition } = shown.live.view
  const query = definition.trim()
  const means = (more: string): Statement[] => [
    ...openPlace(rebuild),
    {
      phase: 'building',
      sql: `create or replace view ${quoteName(shadowName(rebuild, shown))}${more}`,
      ...ownersSandboxed(shown.live),
    },
    ...closePlace(rebuild),
  ]
  return {
    before: means(` as\n${rows(quoteName(view.live.view), query)}`),
    after: [...means(`${withOptions(options)} as ${query}`), ...areFaithful(rebuild)],
  }
}

/** Finds the view and the plain view among a group, and insists that the plain view is its own. */
export const aroundOf =
  (
    view: ViewFacts,
    shown: Pick<Shown, 'oid' | 'view'>,
    fill: (rebuild: Rebuild, members: { view: Member; shown: Member }) => AroundFilling,
  ): ((group: Scope) => (rebuild: Rebuild) => AroundFilling) =>
  (group) => {
    const member = (oid: number) => group.members.find((each) => each.oid === oid)!
    const [above, below] = [member(view.oid), member(shown.oid)]
    const others = [
      ...group.members
        .filter(({ oid, reads }) => oid !== view.oid && reads.includes(shown.oid))
        .map(({ live }) => `${live.view.kind} ${displayName(live.view)}`),
      ...below.live.dependents.map(({ description }) => description),
    ]
    if (others.length > 0)
      throw new Problem(
        'InvalidRequest',
        `${view.view} is not refreshed by slices: ${shown.view}, which it shows, is also read by ${others.join(', ')}. Let each read a plain view of its own.`,
        { field: 'slices' },
      )
    const { owner } = below.live.view
    if (owner !== view.owner)
      throw new Problem(
        'InvalidRequest',
        `${view.view} is not refreshed by slices: ${shown.view}, which it shows, belongs to ${owner}. Give it to the same owner: alter view ${shown.view} owner to ${view.owner}.`,
        { field: 'slices' },
      )
    return (rebuild) => fill(rebuild, { view: above, shown: below })
  }
