import { setTimeout as pause } from 'node:timers/promises'
import {
  lockGrouping,
  readCandidates,
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
import { readGroup, readGroupRights } from '../../db/views/group.ts'
import { areReadByViews } from '../../db/views/readers.ts'
import { viewsTogether } from '../../plan/batches/along.ts'
import { type PlannedGroup, planTogether } from '../../plan/batches/together.ts'
import { type Group, materialized, placesOf } from '../../plan/groups/group.ts'
import { nothingStandsBetween, proveTwins } from '../../plan/groups/proof.ts'
import { type GroupRights, memberRefusals, placeRefusals } from '../../plan/groups/refusals.ts'
import { buildTwins, closePlaces, makePlaces } from '../../plan/groups/twins.ts'
import { displayName } from '../../plan/names.ts'
import { Problem } from '../../problem.ts'

/** How long to look for a moment in which nobody locks a view exclusively. */
const patienceMs = 5000
const pauseMs = 200

/** Tells apart the twins of groups that are built at the same time. */
export const keyOf = ({ serial }: Batch, number: number): string => `b${serial}_${number}`

/**
 * Decides once for a batch which of its views are exchanged together, and makes their twins, which are empty: all in one
 * transaction, so nothing stays of a call that dies. False while another call decides for this batch; call again. A failure
 * that may pass is thrown, except on the last try.
 */
export async function formGroups(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  isLastTry: boolean,
): Promise<boolean> {
  const inPlace = batch.strategy === 'regular' || batch.strategy === 'concurrent'
  if (inPlace || batch.cancelRequestedAt !== null) return true
  return withTransaction(sql, async (transaction) => {
    const known = await lockGrouping(transaction, batch)
    if (known === 'busy') return false
    if (known === null || known.groupedAt !== null) return true
    const readsAnother = views.some(({ parents }) => parents.length > 0)
    if (!readsAnother && !(await areReadByViews(transaction, known.oids))) {
      await recordGrouping(transaction, batch.id, [], [])
      return true
    }
    const all = await readPatiently(transaction, known.oids)
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
    const refusals = refusalsIn(all, await readGroupRights(transaction, all))
    const planned = planTogether(all, candidates, { exchange, refusals, maxTwinBytes })
    const made = await makeTwins(transaction, batch, planned.groups, isLastTry)
    const together = viewsTogether(candidates, planned, made.groups)
    await recordGrouping(transaction, batch.id, made.groups, [...planned.each, ...made.each], together)
    return true
  })
}

async function readPatiently(sql: Sql, oids: number[]): Promise<Group | 'locked'> {
  const until = Date.now() + patienceMs
  for (;;) {
    const group = await lookAgain(() => readGroup(sql, oids))
    if (group !== 'locked' || Date.now() >= until) return group
    await pause(pauseMs)
  }
}

/** What stands in the way of each member, by its OID. */
function refusalsIn(all: Group, rights: GroupRights): Map<number, string> {
  const [nowhere] = placeRefusals(rights)
  return new Map(
    all.members.flatMap((member) => {
      const [refusal] = memberRefusals(all, member, rights)
      const because = nowhere?.because ?? (refusal && `${displayName(member.live.view)}: ${refusal.because}`)
      return because === undefined ? [] : [[member.oid, because] as const]
    }),
  )
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
    const places = placesOf(keyOf(batch, number), group)
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
