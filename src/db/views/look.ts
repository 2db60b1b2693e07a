import { setTimeout as pause } from 'node:timers/promises'
import type { QualifiedName } from '../../plan/names.ts'
import type { ViewSnapshot } from '../../plan/views/live-view.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/look-again.ts'
import { readView } from './catalog.ts'
import { readSnapshot } from './live-view.ts'

/**
 * What the catalog says about a view now, and its snapshot if that `isWanted`, both of one moment. `locked`: somebody holds
 * the view exclusively, so that the server would make us wait. Throws UnknownView for a view that is gone.
 */
export const lookAtView = (
  sql: Sql,
  name: QualifiedName,
  isWanted: (view: ViewFacts) => boolean = () => true,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot | 'locked' | null }> =>
  lookAgain(async () => {
    const view = await readView(sql, name)
    const snapshot = isWanted(view) ? await readSnapshot(sql, view.oid) : null
    return snapshot === 'gone' ? snapshot : { view, snapshot }
  })

const pauseMs = 250

/**
 * Reads a live view. Waits until `until` (epoch milliseconds) for whoever holds the view exclusively, which a refresh does, and
 * then throws LockTimeout. Throws UnknownView for a view that is gone.
 */
export async function readLiveView(
  sql: Sql,
  name: QualifiedName,
  until = 0,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot }> {
  for (;;) {
    const { view, snapshot } = await lookAtView(sql, name)
    if (snapshot !== null && snapshot !== 'locked') return { view, snapshot }
    if (Date.now() >= until) {
      throw new Problem(
        'LockTimeout',
        `${view.view} is being refreshed or exchanged by somebody else. Try again when they are done.`,
      )
    }
    await pause(pauseMs)
  }
}

/** What would have to go with a view, each as people name it: `view app.top_sales`, `materialized view app.best`. */
export async function readDependents(sql: Sql, name: QualifiedName): Promise<string[]> {
  const { snapshot } = await readLiveView(sql, name)
  return [...new Set(snapshot.live.dependents.map(({ description }) => description))]
}
