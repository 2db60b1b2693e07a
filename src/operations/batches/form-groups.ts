import { setTimeout as pause } from 'node:timers/promises'
import {
  type BatchGroup,
  type Grouping,
  lockGrouping,
  readCandidates,
  readOpenGroups,
  readTakenNumbers,
  recordGrouping,
} from '../../db/batches/batch-groups.ts'
import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch, RefreshedEach } from '../../db/batches/batches.ts'
import { executeStatements, StatementRefused } from '../../db/runs/statements.ts'
import { type Sql, withTransaction } from '../../db/server/connect.ts'
import { sqlstateOf } from '../../db/server/failures.ts'
import { lookAgain } from '../../db/server/look-again.ts'
import { mayPass } from '../../db/server/sqlstate.ts'
import { readGroup } from '../../db/views/group.ts'
import { areReadByViews } from '../../db/views/readers.ts'
import { readObstacles } from '../../db/views/rights.ts'
import { viewsTogether } from '../../plan/batches/along.ts'
import { type PlannedGroup, planTogether } from '../../plan/batches/together.ts'
import { batchKey, type Group, materialized, placesOf } from '../../plan/groups/group.ts'
import { memberNeeds, placesNeed } from '../../plan/groups/needs.ts'
import { nothingStandsBetween, proveTwins } from '../../plan/groups/proof.ts'
import { buildTwins, closePlaces, makePlaces } from '../../plan/groups/twins.ts'
import { displayName } from '../../plan/names.ts'
import { traitsOf } from '../../plan/views/definition.ts'
import { Problem } from '../../problem.ts'
import { leaveOutUnchanged } from './leave-out.ts'

/** How long to look for a moment in which nobody locks a view exclusively. */
const patienceMs = 5000
const pauseMs = 200

/** How long the groups of a batch may fail to be formed before its views are refreshed each by itself. */
const formingPatienceMs = 30_000
const formingPauseMs = 100

/**
 * The groups of a batch, which this or another call decides, without those that were given up. A failure that may pass is
 * tried again; if it does not pass soon, the views are refreshed each by itself, and their runs meet its cause themselves.
 * Null if the time is up first.
 */
export async function settleGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  until: number,
): Promise<BatchGroup[] | null> {
  const patientUntil = Date.now() + formingPatienceMs
  for (;;) {
    const isLastTry = Date.now() >= patientUntil
    try {
      if (await formGroups(sql, batch, views, isLastTry)) return await readOpenGroups(sql, batch.id)
    } catch (error) {
      const sqlstate = sqlstateOf(error instanceof StatementRefused ? error.cause : error)
      if (isLastTry || sqlstate === undefined || !mayPass(sqlstate)) throw error
    }
    if (Date.now() >= until) return null
    await pause(formingPauseMs)
  }
}

/**
 * Decides once for a batch which of its views are exchanged together, and makes their twins, which are empty: all in one
 * transaction, so nothing stays of a call that dies. False while another call decides for this batch; call again. A failure
 * that may pass is thrown, except on the last try.
 */
async function formGroups(sql: Sql, batch: Batch, views: BatchView[], isLastTry: boolean): Promise<boolean> {
  if (traitsOf(batch.strategy).isInPlace || batch.cancelRequestedAt !== null) return true
  return withTransaction(sql, async (transaction) => {
    const known = await lockGrouping(transaction, batch)
    if (known === 'busy') return false
    if (known === null || known.groupedAt !== null) return true
    const oids = await findMoving(transaction, batch, views, known)
    if (oids.length === 0) {
      await recordGrouping(transaction, batch.id, [], [])
      return true
    }
    const all = await readPatiently(transaction, oids)
    if (all === 'locked') {
      const because = 'somebody holds an exclusive lock on a view of the batch'
      const each = views.filter(({ parents }) => parents.length > 0).map(({ view }) => ({ view, because }))
      await recordGrouping(transaction, batch.id, [], each)
      return true
    }
    const candidates = await readCandidates(
      transaction,
      batch,
      materialized(all).map(({ live: { view } }) => view),
    )
    const { exchange, maxTwinBytes } = batch
    const refusals = await readRefusals(transaction, all)
    const planned = planTogether(all, candidates, { exchange, refusals, maxTwinBytes })
    const made = await makeTwins(transaction, batch, planned.groups, isLastTry)
    const together = viewsTogether(candidates, planned, made.groups)
    await recordGrouping(transaction, batch.id, made.groups, [...planned.each, ...made.each], together)
    return true
  })
}

/** The OIDs of the views that may be exchanged together; none if no view reads another one, or no view has changed. */
async function findMoving(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  { views: there }: Grouping,
): Promise<number[]> {
  const readsAnother = views.some(({ parents }) => parents.length > 0)
  const oids = there.map(({ oid }) => oid)
  if (!readsAnother && !(await areReadByViews(sql, oids))) return []
  const stays = await leaveOutUnchanged(sql, batch, views)
  return there.flatMap(({ id, oid }) => (stays.has(id) ? [] : oid))
}

async function readPatiently(sql: Sql, oids: number[]): Promise<Group | 'locked'> {
  const until = Date.now() + patienceMs
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, oids))
    if (group !== 'locked' || Date.now() >= until) return group
    await pause(pauseMs)
  }
}

/** What stands in the way of each member first, by its OID. */
async function readRefusals(sql: Sql, all: Group): Promise<Map<number, string>> {
  const refusals = new Map<number, string>()
  for (const member of all.members) {
    const [first] = await readObstacles(sql, [placesNeed, ...memberNeeds(all, member)])
    if (first !== undefined) refusals.set(member.oid, first.because)
  }
  return refusals
}

/** Makes the empty twins of each group. A group whose twins cannot be made is refreshed each by itself. */
async function makeTwins(
  sql: Sql,
  batch: Batch,
  planned: PlannedGroup[],
  isLastTry: boolean,
): Promise<{ groups: (PlannedGroup & { number: number })[]; each: RefreshedEach[] }> {
  const groups: (PlannedGroup & { number: number })[] = []
  const each: RefreshedEach[] = []
  const taken = await readTakenNumbers(sql, batch.serial)
  let next = 0
  for (const one of planned) {
    while (taken.has(String(next))) next++
    const number = next++
    const { group } = one
    const places = placesOf(batchKey(batch, number), group)
    try {
      await executeStatements(
        sql,
        [
          nothingStandsBetween(group),
          ...makePlaces(group, places),
          ...buildTwins(group, places),
          ...closePlaces(group, places),
          ...proveTwins(group, places),
        ],
        false,
      )
      groups.push({ ...one, number })
    } catch (error) {
      if (!(error instanceof Problem || error instanceof StatementRefused)) throw error
      if (!isLastTry && error instanceof StatementRefused && mayPass(sqlstateOf(error.cause))) throw error
      const because = `the twins of its group could not be made: ${error.message}`
      for (const { live } of group.members)
        if (live.view.kind === 'materialized view') each.push({ view: displayName(live.view), because })
    }
  }
  return { groups, each }
}
