import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { exclusively, ourselves } from '../../rebuild/plan/locks.ts'
import { markRemoved } from '../../record/plan/journal-statements.ts'
import { quoteName } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { Problem } from '../../words/problem.ts'

export interface DropPlanOptions {
  /** Also drops what depends on the view. */
  cascade: boolean
  timeoutSeconds: number
  /** The definition to mark as removed with the view, if it is a discovered one; null: none. */
  definitionId: number | null
}

/**
 * Plans `drop materialized view`. Pure. `dependents` are the objects that depend on the view. Without
 * `cascade` the plan is refused (DependentsExist) if there are any, and the message names them.
 */
export function planDrop(view: ViewFacts, dependents: string[], options: DropPlanOptions): RunPlan {
  if (dependents.length > 0 && !options.cascade) {
    throw new Problem(
      'DependentsExist',
      `${view.view} cannot be dropped, because these depend on it: ${dependents.join(', ')}. Drop them first, or write --cascade (over HTTP "cascade": true), ` +
        'which drops them too.',
      { field: 'cascade' },
    )
  }
  const drop: Statement = {
    kind: 'command',
    phase: 'exchange',
    sql: `drop ${view.query === null ? 'materialized view' : 'table'} ${quoteName(view)}${options.cascade ? ' cascade' : ''}`,
    obstacles: hintsOn(view, 'own'),
  }
  return {
    ifRunning: 'skip',
    basis: null,
    settings: {},
    result: 'deleted',
    fills: false,
    prepare: [],
    locked: exclusively(
      ourselves(view),
      [drop, ...(options.definitionId === null ? [] : [markRemoved(options.definitionId)])],
      { timeoutSeconds: options.timeoutSeconds, lasts: 'brief' },
    ),
    later: [],
  }
}
