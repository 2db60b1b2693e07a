import { setTimeout as pause } from 'node:timers/promises'
import { readSnapshot } from '../../catalog/db/live-view.ts'
import { findLocked, lockedProblem } from '../../catalog/db/locked.ts'
import { alreadyRunning, type Patience, pauseMs } from '../../catalog/db/look.ts'
import { outlineReaders, readReaderNames, readReaders } from '../../catalog/db/readers.ts'
import { findRunningRun } from '../../catalog/db/running-run.ts'
import type { OutlinedReader, Reader } from '../../catalog/plan/readers.ts'
import type { ViewFacts } from '../../catalog/plan/view-facts.ts'
import type { Sql } from '../../server/connect.ts'
import { lookAgain } from '../../server/transactions.ts'
import { displayName } from '../../sql/names.ts'
import { type Member, type OutlinedScope, type Scope, together } from '../plan/scope.ts'

/**
 * Looks at a view with everything that reads it. If somebody holds an exclusive lock on a reader, looks again as patiently
 * as asked; then throws AlreadyRunning, which names a running run of a reader, or LockTimeout. `gone`: the view itself was
 * exchanged or dropped meanwhile.
 */
export async function lookAtGroup(
  sql: Sql,
  view: ViewFacts,
  { until = 0 }: Patience,
): Promise<Scope | 'gone'> {
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, [view.oid]))
    if (group !== 'locked') return group.members.some(({ oid }) => oid === view.oid) ? group : 'gone'
    for (const reader of await readReaderNames(sql, [view.oid])) {
      const running = await findRunningRun(sql, reader)
      if (running !== undefined) throw alreadyRunning(displayName(reader), running)
    }
    if (Date.now() >= until)
      throw await lockedProblem(sql, [view.oid], ` Or refresh ${view.view} with strategy "concurrent".`)
    await pause(pauseMs)
  }
}

/** Reads views with everything that reads them, as one group. See `readReaders` for `locked` and `gone`. */
export async function readGroup(sql: Sql, oids: number[]): Promise<Scope | 'locked' | 'gone'> {
  const readers = await readReaders(sql, oids)
  return typeof readers === 'string' ? readers : together(readers)
}

/** Views with everything that reads them, as one group, of which somebody's locks may keep some from being read. */
export interface GroupSeen {
  all: OutlinedScope
  /** Why a view could not be read, by its OID: names the view and who holds a lock on it. */
  locked: Map<number, string>
  /** Those of these members that were read. */
  read(members: OutlinedReader[]): Member[]
}

/**
 * Looks at the views of a group: at all of them at once, and if that meets a lock, at one after the other, so that a lock
 * on one view hides no other one. Then the views are of different moments. `gone`: see `readReaders`.
 */
export async function lookAtEach(sql: Sql, oids: number[]): Promise<GroupSeen | 'gone'> {
  const all = await readReaders(sql, oids)
  if (all === 'gone') return all
  if (all !== 'locked') return seenOf(all, all, new Map())
  const outlined = await outlineReaders(sql, oids)
  const locked = new Map((await findLocked(sql, oids)).map(({ oid, because }) => [oid, because]))
  const read: Reader[] = []
  for (const reader of outlined) {
    const { oid } = reader
    if (locked.has(oid)) continue
    const snapshot = await readSnapshot(sql, oid)
    if (snapshot === 'gone') return snapshot
    if (snapshot === 'locked') locked.set(oid, await becauseLocked(sql, reader))
    else read.push({ ...reader, ...snapshot })
  }
  return seenOf(outlined, read, locked)
}

function seenOf(all: OutlinedReader[], read: Reader[], locked: Map<number, string>): GroupSeen {
  const byOid = new Map(read.map((reader) => [reader.oid, reader]))
  return {
    all: together(all),
    locked,
    read: (members) => members.flatMap(({ oid }) => byOid.get(oid) ?? []),
  }
}

/** The lock may be gone by now. */
async function becauseLocked(sql: Sql, { oid, live }: OutlinedReader): Promise<string> {
  const found = (await findLocked(sql, [oid])).find((each) => each.oid === oid)
  return found?.because ?? `${displayName(live.view)} was locked at each look`
}
