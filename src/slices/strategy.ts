import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { RefreshStrategy, Refusal, RunOptions } from '../rebuild/plan/fill.ts'
import type { Filler } from '../rebuild/plan/plan-rebuild.ts'
import type { Scope } from '../rebuild/plan/scope.ts'
import { type Patience, untilUnlocked } from '../record/definitions/look.ts'
import type { Sql } from '../server/database.ts'
import { unlessLocked } from '../server/transactions.ts'
import type { Statement } from '../sql/run-plan.ts'
import { type Asked, findAsked } from './asked.ts'
import { forgetAll, type Read } from './plan/fill.ts'
import { forgetting } from './plan/forget.ts'
import { findTouched } from './touched.ts'

/** What the plan of a refresh by slices goes by. */
interface SlicesOptions extends Patience {
  sql: Sql
  /** The slices that somebody asks for. Without, the log of changes tells them. */
  asked?: Asked | undefined
  /** The strategy that was asked for, too. */
  strategy?: Strategy | undefined
  /** The group of a batch in which the shadow of the view is filled. */
  group?: Scope
}

interface BySlices extends RefreshStrategy<SlicesOptions, Promise<Filler | Refusal | 'gone' | undefined>> {
  /** What comes before and after a statement that fills the view whole, by another strategy. */
  aroundAll(view: ViewFacts): RunOptions['aroundAll']
  /** What comes before the exchange of a group whose shadows were filled by slices. `read`: what their runs have answered. */
  exchanged(group: Scope, read: Read[]): Statement[]
}

/**
 * The strategy that computes single slices of a view: those that were asked for, or those that the log of its changes tells. Undefined: the view has no log.
 * `gone`: it was exchanged or dropped meanwhile. What proves slices is loaded when it is asked.
 */
export const slices = {
  name: 'slices',
  plan: (view, { sql, asked, strategy, group, ...patience }) =>
    untilUnlocked(sql, view, patience, () =>
      unlessLocked<Awaited<ReturnType<BySlices['plan']>>>(sql, (sql) =>
        asked === undefined ? findTouched(sql, view, group) : findAsked(sql, view, asked, strategy),
      ),
    ),
  aroundAll: (view) => (view.counting === null ? undefined : forgetting(view, view.counting)),
  exchanged: forgetAll,
} satisfies BySlices

export { planKept } from './keep.ts'
