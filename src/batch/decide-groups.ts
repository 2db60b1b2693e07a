import { readObstacles } from '../catalog/db/rights.ts'
import type { OutlinedReader } from '../catalog/plan/readers.ts'
import { Problem } from '../problem.ts'
import { type GroupSeen, lookAtEach } from '../rebuild/db/group.ts'
import { executeStatements, StatementRefused } from '../rebuild/db/statements.ts'
import { make } from '../rebuild/plan/make.ts'
import { nothingStandsBetween, prove } from '../rebuild/plan/prove.ts'
import { memberRequirements, placesRequirement } from '../rebuild/plan/requirements.ts'
import { everything, materialized } from '../rebuild/plan/scope.ts'
import { apart, batchKey } from '../rebuild/plan/shadow-place.ts'
import type { Sql } from '../server/connect.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { readCopy } from '../server/standbys.ts'
import { lookAgain } from '../server/transactions.ts'
import { displayName } from '../sql/names.ts'
import { besideCopy } from '../sql/replicas.ts'
import {
  type BuiltElsewhere,
  type Candidate,
  type FormedGroup,
  type Grouped,
  type Grouping,
  readCandidates,
  readTakenNumbers,
} from './db/batch-groups.ts'
import type { Batch, RefreshedEach } from './db/batches.ts'
import { readInPlace } from './in-place.ts'
import { viewsTogether } from './plan/inclusion.ts'
import { type PlannedGroup, planTogether } from './plan/together.ts'

interface ToDecide {
  oids: number[]
  /** The ids of all views of the batch that belong to these. */
  among: number[]
  built: BuiltElsewhere[]
}

/**
 * What to do with these views. A lock on one keeps its whole group from being built: the group waits. If it has waited
 * long enough, the lock is in the way of rebuilding that view, and so of what it reads. What another batch has `built` is waited for.
 */
export async function decideGroups(
  sql: Sql,
  batch: Batch,
  { oids, among, built }: ToDecide,
  { isPatient, shadowBytes }: Pick<Grouping, 'isPatient' | 'shadowBytes'>,
  isLastTry: boolean,
): Promise<Grouped> {
  const seen = await lookAgain(() => lookAtEach(sql, oids))
  const candidates = await readCandidates(
    sql,
    batch,
    among,
    materialized(seen.all).map(({ live: { view } }) => view),
  )
  const { exchange } = batch
  const maxShadowBytes = batch.maxShadowBytes === null ? null : batch.maxShadowBytes - shadowBytes
  const options = { exchange, maxShadowBytes }
  // What stands in the way of a view matters only if it has a group.
  const { groups } = planTogether(seen.all, candidates, { ...options, refusals: new Map() })
  const refusals = await readRefusals(
    sql,
    batch,
    seen,
    groups.flatMap(({ group }) => group.members),
  )
  if (!isPatient) for (const [oid, because] of inTheWay(seen)) refusals.set(oid, because)
  for (const { oid, because } of built) seen.locked.set(oid, because)
  const planned = planTogether(seen.all, candidates, { ...options, refusals })
  const whole: PlannedGroup[] = []
  const locked: RefreshedEach[] = []
  for (const each of planned.groups) {
    const because = everything(each.group).flatMap(({ oid }) => seen.locked.get(oid) ?? [])[0]
    if (because === undefined) whole.push({ ...each, group: { members: seen.read(each.group.members) } })
    else
      for (const { id, asked, view } of candidates)
        if (asked && each.members.includes(id)) locked.push({ view, because })
  }
  const made = await form(sql, batch, whole, candidates, isLastTry)
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

/** What stands in the way of each of these members first, by its OID. */
async function readRefusals(
  sql: Sql,
  { strategy }: Batch,
  { all, read, locked }: GroupSeen,
  members: OutlinedReader[],
): Promise<Map<number, string>> {
  const copy = strategy === 'swap' ? null : await readCopy(sql)
  if (copy !== null) return new Map(members.map(({ oid }) => [oid, besideCopy(copy)]))
  const refusals = new Map<number, string>()
  for (const member of read(members.filter(({ oid }) => !locked.has(oid)))) {
    const [first] = await readObstacles(sql, [placesRequirement, ...memberRequirements(all, member)])
    if (first !== undefined) refusals.set(member.oid, first.because)
  }
  return refusals
}

/**
 * Forms groups: makes the empty shadows of those that are not refreshed in place. A group whose shadows cannot be made is refreshed each
 * by itself.
 */
async function form(
  sql: Sql,
  batch: Batch,
  planned: PlannedGroup[],
  candidates: Candidate[],
  isLastTry: boolean,
): Promise<{ groups: FormedGroup[]; each: RefreshedEach[] }> {
  const groups: FormedGroup[] = []
  const each: RefreshedEach[] = []
  const taken = await readTakenNumbers(sql, batch)
  let next = 0
  for (const one of planned) {
    while (taken.has(String(next))) next++
    const number = next++
    const { group } = one
    const members = candidates.filter(({ id }) => one.members.includes(id))
    if ((await readInPlace(sql, batch, members)) !== null) {
      groups.push({ ...one, number, shadowBytes: 0, inPlace: true })
      continue
    }
    const rebuild = apart(batchKey(batch, number), group)
    try {
      await executeStatements(sql, [nothingStandsBetween(group), ...make(rebuild), ...prove(rebuild)], false)
      groups.push({ ...one, number, inPlace: false })
    } catch (error) {
      if (!(error instanceof Problem || error instanceof StatementRefused)) throw error
      if (!isLastTry && error instanceof StatementRefused && mayPass(sqlstateOf(error.cause))) throw error
      const because = `the shadows of its group could not be made: ${error.message}`
      each.push(...materialized(group).map(({ live }) => ({ view: displayName(live.view), because })))
    }
  }
  return { groups, each }
}
