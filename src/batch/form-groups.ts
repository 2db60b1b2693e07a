import { setTimeout as pause } from 'node:timers/promises'
import { findLocked } from '../catalog/db/locked.ts'
import { areReadByViews } from '../catalog/db/readers.ts'
import { readObstacles } from '../catalog/db/rights.ts'
import { traitsOf } from '../catalog/plan/definition.ts'
import { Problem } from '../problem.ts'
import { type GroupSeen, lookAtEach } from '../rebuild/db/group.ts'
import { executeStatements, StatementRefused } from '../rebuild/db/statements.ts'
import { make } from '../rebuild/plan/make.ts'
import { nothingStandsBetween, prove } from '../rebuild/plan/prove.ts'
import { memberRequirements, placesRequirement } from '../rebuild/plan/requirements.ts'
import { everything, materialized } from '../rebuild/plan/scope.ts'
import { apart, batchKey } from '../rebuild/plan/shadow-place.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { lookAgain } from '../server/look-again.ts'
import { mayPass } from '../server/sqlstate.ts'
import { readCopy } from '../server/standbys.ts'
import { displayName } from '../sql/names.ts'
import { besideCopy } from '../sql/replicas.ts'
import { type AdvancingBatch, idsOf, lookAgainMs, readAllAgain } from './advancing.ts'
import {
  type BatchGroup,
  type Grouped,
  type Grouping,
  lockGrouping,
  readCandidates,
  readOpenGroups,
  readTakenNumbers,
  recordGrouping,
} from './db/batch-groups.ts'
import { type BatchView, readBatchViews } from './db/batch-views.ts'
import type { Batch, RefreshedEach } from './db/batches.ts'
import { leaveOutUnchanged } from './leave-out.ts'
import { viewsTogether } from './plan/inclusion.ts'
import { type PlannedGroup, planTogether } from './plan/together.ts'

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
 * locked one of their group. `busy` while another call decides for this batch; call again. A failure that may pass is thrown,
 * except on the last try.
 */
async function formGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  isLastTry: boolean,
): Promise<string[] | 'busy'> {
  if (traitsOf(batch.strategy).isInPlace || batch.cancelRequestedAt !== null) return []
  return withTransaction(sql, async (transaction) => {
    const known = await lockGrouping(transaction, batch)
    if (known === 'busy') return known
    if (known === null || known.groupedAt !== null) return []
    const waiting = known.locked.map(({ view }) => view)
    const oids = await findMoving(transaction, batch, views, known)
    if (waiting.length > 0 && known.isPatient && (await findLocked(transaction, oids)).length > 0)
      return waiting
    const grouped = oids.length === 0 ? nothing : await decide(transaction, batch, oids, known, isLastTry)
    await recordGrouping(transaction, batch.id, grouped)
    return grouped.locked.map(({ view }) => view)
  })
}

const nothing: Grouped = { groups: [], each: [], views: [], locked: [] }

/**
 * What to do with these views. A lock on one keeps its whole group from being built: the group waits. If it has waited
 * long enough, the lock is in the way of rebuilding that view, and so of what it reads.
 */
async function decide(
  sql: Sql,
  batch: Batch,
  oids: number[],
  { isPatient, shadowBytes }: Grouping,
  isLastTry: boolean,
): Promise<Grouped> {
  const seen = await lookAgain(() => lookAtEach(sql, oids))
  const candidates = await readCandidates(
    sql,
    batch,
    materialized(seen.all).map(({ live: { view } }) => view),
  )
  const { exchange } = batch
  const maxShadowBytes = batch.maxShadowBytes === null ? null : batch.maxShadowBytes - shadowBytes
  const refusals = await readRefusals(sql, batch, seen)
  if (!isPatient) for (const [oid, because] of inTheWay(seen)) refusals.set(oid, because)
  const planned = planTogether(seen.all, candidates, { exchange, refusals, maxShadowBytes })
  const whole: PlannedGroup[] = []
  const locked: RefreshedEach[] = []
  for (const each of planned.groups) {
    const because = everything(each.group).flatMap(({ oid }) => seen.locked.get(oid) ?? [])[0]
    if (because === undefined) whole.push({ ...each, group: { members: seen.read(each.group.members) } })
    else
      for (const { id, asked, view } of candidates)
        if (asked && each.members.includes(id)) locked.push({ view, because })
  }
  const made = await makeShadows(sql, batch, whole, isLastTry)
  const views = viewsTogether(candidates, planned, made.groups)
  return { groups: made.groups, each: [...planned.each, ...made.each], views, locked }
}

/** For each view that has to be rebuilt with a locked one, or is one, which lock is in the way. */
function inTheWay({ all, locked }: GroupSeen): [number, string][] {
  return everything(all).flatMap(({ oid, live, reads }) => {
    const because = locked.get(oid)
    if (because === undefined) return []
    return (live.view.kind === 'view' ? reads : [oid]).map((each): [number, string] => [each, because])
  })
}

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
  if (waiting.size > 0) return there.flatMap(({ view, oid }) => (waiting.has(view) ? oid : []))
  const readsAnother = views.some(({ parents }) => parents.length > 0)
  const oids = there.map(({ oid }) => oid)
  if (!readsAnother && !(await areReadByViews(sql, oids))) return []
  const stays = await leaveOutUnchanged(sql, batch, views)
  return there.flatMap(({ id, oid }) => (stays.has(id) ? [] : oid))
}

/** What stands in the way of each member first, by its OID. */
async function readRefusals(
  sql: Sql,
  { strategy }: Batch,
  { all, read, locked }: GroupSeen,
): Promise<Map<number, string>> {
  const copy = strategy === 'swap' ? null : await readCopy(sql)
  if (copy !== null) return new Map(all.members.map(({ oid }) => [oid, besideCopy(copy)]))
  const refusals = new Map<number, string>()
  for (const member of read(all.members.filter(({ oid }) => !locked.has(oid)))) {
    const [first] = await readObstacles(sql, [placesRequirement, ...memberRequirements(all, member)])
    if (first !== undefined) refusals.set(member.oid, first.because)
  }
  return refusals
}

/** Makes the empty shadows of each group. A group whose shadows cannot be made is refreshed each by itself. */
async function makeShadows(
  sql: Sql,
  batch: Batch,
  planned: PlannedGroup[],
  isLastTry: boolean,
): Promise<{ groups: (PlannedGroup & { number: number })[]; each: RefreshedEach[] }> {
  const groups: (PlannedGroup & { number: number })[] = []
  const each: RefreshedEach[] = []
  const taken = await readTakenNumbers(sql, batch)
  let next = 0
  for (const one of planned) {
    while (taken.has(String(next))) next++
    const number = next++
    const { group } = one
    const rebuild = apart(batchKey(batch, number), group)
    try {
      await executeStatements(sql, [nothingStandsBetween(group), ...make(rebuild), ...prove(rebuild)], false)
      groups.push({ ...one, number })
    } catch (error) {
      if (!(error instanceof Problem || error instanceof StatementRefused)) throw error
      if (!isLastTry && error instanceof StatementRefused && mayPass(sqlstateOf(error.cause))) throw error
      const because = `the shadows of its group could not be made: ${error.message}`
      each.push(...materialized(group).map(({ live }) => ({ view: displayName(live.view), because })))
    }
  }
  return { groups, each }
}
