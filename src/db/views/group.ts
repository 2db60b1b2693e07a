import { setTimeout as pause } from 'node:timers/promises'
import { type Group, groupOf } from '../../plan/groups/group.ts'
import { displayName } from '../../plan/names.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'
import type { Sql } from '../server/connect.ts'
import { lookAgain } from '../server/look-again.ts'
import { alreadyRunning, type Patience, pauseMs } from './look.ts'
import { readReaderNames, readReaders } from './readers.ts'
import { findRunningRun } from './running-run.ts'

/**
 * Looks at a view with everything that reads it. If somebody holds an exclusive lock on a reader, looks again as patiently
 * as asked; then throws AlreadyRunning, which names a running run of a reader, or LockTimeout. `gone`: the view itself was
 * exchanged or dropped meanwhile.
 */
export async function lookAtGroup(
  sql: Sql,
  view: ViewFacts,
  { until = 0 }: Patience,
): Promise<Group | 'gone'> {
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, [view.oid]))
    if (group !== 'locked') return group.members.some(({ oid }) => oid === view.oid) ? group : 'gone'
    for (const reader of await readReaderNames(sql, [view.oid])) {
      const running = await findRunningRun(sql, reader)
      if (running !== undefined) throw alreadyRunning(displayName(reader), running)
    }
    if (Date.now() >= until) {
      throw new Problem(
        'LockTimeout',
        `A view that reads ${view.view} is locked. Try again, or refresh ${view.view} with strategy "concurrent".`,
      )
    }
    await pause(pauseMs)
  }
}

/** Reads views with everything that reads them, as one group. See `readReaders` for `locked` and `gone`. */
export async function readGroup(sql: Sql, oids: number[]): Promise<Group | 'locked' | 'gone'> {
  const readers = await readReaders(sql, oids)
  return typeof readers === 'string' ? readers : groupOf(readers)
}
