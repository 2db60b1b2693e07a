import { setTimeout as pause } from 'node:timers/promises'
import type { QualifiedName } from '../../plan/names.ts'
import { dependentsOf, type ViewSnapshot } from '../../plan/views/live-view.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/look-again.ts'
import { readView } from './catalog.ts'
import { readSnapshot } from './live-view.ts'

/**
 * What the catalog says about a view now, and the snapshot of that same relation if it `isWanted`. `locked`:
 * somebody holds an exclusive lock on the view, so that the server would make us wait. Throws UnknownView if
 * the view is gone.
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
 * Reads a live view. If somebody, such as a refresh, holds an exclusive lock on the view, waits until `until`
 * (epoch milliseconds), then throws LockTimeout. Throws UnknownView if the view is gone.
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
        `Another session has locked ${view.view}, for example to refresh it. Try again when that session is done.`,
      )
    }
    await pause(pauseMs)
  }
}

/** What would be dropped with a view, as people name it: `view app.top`, `materialized view app.best`. */
export async function readDependents(sql: Sql, name: QualifiedName): Promise<string[]> {
  return dependentsOf((await readLiveView(sql, name)).snapshot.live)
}
