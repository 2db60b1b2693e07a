import { type Patience, untilUnlocked } from '../catalog/db/look.ts'
import type { Strategy } from '../catalog/plan/definition.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { RefreshStrategy, Refusal, RunOptions } from '../rebuild/plan/fill.ts'
import type { Filler } from '../rebuild/plan/plan.ts'
import type { Scope } from '../rebuild/plan/scope.ts'
import type { Sql } from '../server/database.ts'
import { unlessLocked } from '../server/transactions.ts'
import type { Statement } from '../sql/plan.ts'
import type { Asked } from './asked.ts'
import type { Read } from './plan/fill.ts'
import { forgetting } from './plan/forget.ts'

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
  exchanged(group: Scope, read: Read[]): Promise<Statement[]>
}

/**
 * The strategy that computes single slices of a view: those that were asked for, or those that the log of its changes tells. Undefined: the view has no log.
 * `gone`: it was exchanged or dropped meanwhile. What proves slices is loaded by each of these.
 */
export const slices = {
  name: 'slices',
  async plan(view, { sql, asked, strategy, group, ...patience }) {
    if (asked === undefined) return (await import('./touched.ts')).findTouched(sql, view, patience, group)
    const { findAsked } = await import('./asked.ts')
    return untilUnlocked(sql, view, patience, () =>
      unlessLocked(sql, (sql) => findAsked(sql, view, asked, strategy)),
    )
  },
  aroundAll: (view) => (view.counting === null ? undefined : forgetting(view, view.counting)),
  exchanged: async (group, read) => (await import('./plan/fill.ts')).forgetAll(group, read),
} satisfies BySlices
