import { setTimeout as pause } from 'node:timers/promises'
import { areReadByViews } from '../catalog/db/graph.ts'
import { findLocked } from '../catalog/db/locked.ts'
import { traitsOf } from '../catalog/plan/definition.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { mayPass } from '../server/sqlstate.ts'
import { type AdvancingBatch, idsOf, lookAgainMs, readAllAgain } from './advancing.ts'
import {
  type BatchGroup,
  type Grouped,
  type Grouping,
  lockGrouping,
  readBuiltElsewhere,
  readOpenGroups,
  recordGrouping,
} from './db/batch-groups.ts'
import { type BatchView, readBatchViews } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import type { decideGroups } from './decide-groups.ts'
import { joinRefreshed, leaveOutUnchanged } from './leave-out.ts'

/** How long the groups of a batch may fail to be formed before its views are refreshed each by itself. */
const formingPatienceMs = 30_000
const formingPauseMs = 100

/** What is decided of a batch: its groups without those that were given up, and the views that wait for a lock. */
export interface Settled {
  groups: BatchGroup[]
  locked: string[]
}

/**
 * The groups of a batch, which this or another call decides. A failure that may pass is
 * tried again; if it does not pass soon, the views are refreshed each by itself, and their runs meet its cause themselves.
 * Views that somebody's lock concerns are left for a later call, which decides on them. Null if the time is up first.
 */
export async function settleGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  until: number,
): Promise<Settled | null> {
  const patientUntil = Date.now() + formingPatienceMs
  for (;;) {
    const isLastTry = Date.now() >= patientUntil
    try {
      const locked = await formGroups(sql, batch, views, isLastTry)
      if (locked !== 'busy') return { groups: await readOpenGroups(sql, batch.id), locked }
    } catch (error) {
      const sqlstate = sqlstateOf(error instanceof StatementRefused ? error.cause : error)
      if (isLastTry || sqlstate === undefined || !mayPass(sqlstate)) throw error
    }
    if (Date.now() >= until) return null
    await pause(formingPauseMs)
  }
}

/**
 * Makes the function that, at intervals, decides on the views that wait for a lock, as far as that is possible by now. `current`
 * is the batch as it was read last: another call may have decided on them.
 */
export function makeSettle(advancing: AdvancingBatch): (current: Batch) => Promise<void> {
  const { sql, batch, until } = advancing
  let next = Date.now() + lookAgainMs
  return async (current) => {
    let names = current.locked.map(({ view }) => view)
    if (names.length > 0 && Date.now() >= next) {
      next = Date.now() + lookAgainMs
      const settled = await settleGroups(sql, batch, advancing.views, until)
      if (settled !== null) names = settled.locked
    }
    if (names.length === advancing.locked.size) return
    advancing.views = await readBatchViews(sql, batch.id)
    advancing.locked = idsOf(advancing.views, names)
    await readAllAgain(advancing)
  }
}

/**
 * Decides once for a batch which of its views are exchanged together, and makes their shadows, which are empty: all in one
 * transaction, so nothing stays of a call that dies. Returns the views on which nothing is decided yet, because somebody has
 * locked one of their group, or another batch is building it: what that has refreshed is not refreshed again. `busy` while another call decides for this batch; call again. A failure that may pass is thrown,
 * except on the last try.
 */
async function formGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  isLastTry: boolean,
): Promise<string[] | 'busy'> {
  if (views.length === 0 || traitsOf(batch.strategy).isInPlace || batch.cancelRequestedAt !== null) return []
  return withTransaction(sql, async (transaction) => {
    const known = await lockGrouping(transaction, batch)
    if (known === 'busy') return known
    if (known === null || known.groupedAt !== null) return []
    const waiting = known.locked.map(({ view }) => view)
    const built = await readBuiltElsewhere(transaction, batch)
    const isBuilt = built.some(({ view }) => waiting.includes(view))
    const oids = isBuilt ? [] : await findMoving(transaction, batch, views, known)
    if (
      isBuilt ||
      (waiting.length > 0 && known.isPatient && (await findLocked(transaction, oids)).length > 0)
    )
      return waiting
    const grouped =
      oids.length === 0 ? nothing : await decideOn(transaction, batch, oids, known, built, isLastTry)
    const locked = [
      ...grouped.locked,
      ...built.filter(({ view }) => !grouped.locked.some((each) => each.view === view)),
    ]
    await recordGrouping(transaction, batch.id, { ...grouped, locked })
    return locked.map(({ view }) => view)
  })
}

const decideOn = async (...given: Parameters<typeof decideGroups>) =>
  (await import('./groups.ts')).decideGroups(...given)

const nothing: Grouped = { groups: [], each: [], views: [], locked: [] }

/**
 * The OIDs of the views that may be exchanged together; none if no view reads another one, or no view has changed. After the
 * first look, those that wait for a lock.
 */
async function findMoving(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  { views: there, locked }: Grouping,
): Promise<number[]> {
  const waiting = new Set(locked.map(({ view }) => view))
  const joined = await joinRefreshed(sql, batch, views)
  const rest = there.filter(({ id }) => !joined.has(id))
  if (waiting.size > 0) return rest.flatMap(({ view, oid }) => (waiting.has(view) ? oid : []))
  const readsAnother = views.some(({ parents }) => parents.length > 0)
  const oids = rest.map(({ oid }) => oid)
  if (!readsAnother && !(await areReadByViews(sql, oids))) return []
  const stays = await leaveOutUnchanged(sql, batch, views)
  return rest.flatMap(({ id, oid }) => (stays.has(id) ? [] : oid))
}
