import { findViews } from '../catalog/db/find-views.ts'
import { findLacking, readObstacles } from '../catalog/db/read-obstacles.ts'
import type { OutlinedReader, ViewFacts } from '../catalog/plan/live-view.ts'
import { type GroupSeen, lookAtEach } from '../rebuild/db/group.ts'
import { executeStatements, executeTogether, StatementRefused } from '../rebuild/db/statements.ts'
import { make } from '../rebuild/plan/make.ts'
import { nothingStandsBetween, prove } from '../rebuild/plan/prove.ts'
import { memberRequirements, placesRequirement } from '../rebuild/plan/requirements.ts'
import { apart, batchKey, everything, materialized, type Scope } from '../rebuild/plan/scope.ts'
import { type PlanBasis, readPlanBases, requestOf } from '../record/batches/attempts.ts'
import {
  type BuiltElsewhere,
  type FormedGroup,
  type GroupCandidate,
  type Grouped,
  type Grouping,
  giveUpGroup,
  lockMembers,
  readBuiltElsewhere,
  readCandidates,
  readThere,
} from '../record/batches/batch-groups.ts'
import { type BatchView, followersIn } from '../record/batches/batch-views.ts'
import type { Batch, RefreshedEach } from '../record/batches/batches.ts'
import { type RecordedTogether, readTakenNumbers, recordTogether } from '../record/batches/group-runs.ts'
import type { PlannedGroup, TogetherGroup } from '../record/plan/batch.ts'
import { readUsualDurations } from '../record/runs/past.ts'
import { planRegularTogether } from '../run/plan/in-place.ts'
import { shortTogether } from '../run/plan/strategy.ts'
import type { Sql } from '../server/database.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { besideCopy, readCopy } from '../server/standbys.ts'
import { inTransaction, lookAgain, withSavepoint } from '../server/transactions.ts'
import { batchPlaces, quoteName } from '../sql/names.ts'
import { statementsOf } from '../sql/run-plan.ts'
import { displayName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import {
  type AdvancingBatch,
  type BundledRun,
  type Prepared,
  readAllAgain,
  type Sendable,
} from './advancing.ts'
import { planTogether, viewsTogether } from './plan/together.ts'

interface ToDecide {
  ids: number[]
  /** The ids of all views of the batch that belong to these. */
  among: number[]
}

/**
 * What to do with these views. A lock on one keeps its whole group from being built: the group waits. If it has waited
 * long enough, the lock is in the way of rebuilding that view, and so of what it reads. What another batch is building is waited for, also if
 * only both would take it along. `busy`: another batch decides on one of these views at this moment.
 */
export async function decideGroups(
  sql: Sql,
  batch: Batch,
  { ids, among }: ToDecide,
  { isPatient, shadowBytes }: Pick<Grouping, 'isPatient' | 'shadowBytes'>,
  isLastTry: boolean,
): Promise<Grouped | 'busy'> {
  const there = await readThere(sql, batch, ids)
  if (there.length === 0)
    return { groups: [], each: [], views: [], locked: await readBuiltElsewhere(sql, batch, ids) }
  const oids = there.map(({ oid }) => oid)
  let seen = await lookAgain(() => lookAtEach(sql, oids))
  const candidates = await readCandidates(
    sql,
    batch,
    among,
    materialized(seen.all).map(({ live: { view } }) => view),
  )
  const { exchange } = batch
  const maxShadowBytes = batch.maxShadowBytes === null ? null : batch.maxShadowBytes - shadowBytes
  const options = { exchange, maxShadowBytes }
  const names = new Set(materialized(seen.all).map(({ live }) => quoteName(live.view)))
  const concerned = candidates.flatMap((each) =>
    ids.includes(each.id) || names.has(quoteName(each)) ? each.id : [],
  )
  if (!(await lockMembers(sql, concerned))) return 'busy'
  const built = await readBuiltElsewhere(sql, batch, concerned)
  // What is waited for has shadows, which read these views, too, and are gone then.
  if (built.length > 0) {
    const isThere = ({ live }: OutlinedReader) => !new RegExp(batchPlaces).test(live.view.schema)
    seen = { ...seen, all: { ...seen.all, members: seen.all.members.filter(isThere) } }
  }
  // What stands in the way of a view matters only if it has a group, which is exchanged.
  const { groups } = planTogether(seen.all, candidates, { ...options, refusals: new Map() })
  const waited = new Map(built.map(({ oid, because }) => [oid, because]))
  const planBeside = async (inPlace: ReadonlySet<MemberIds>) => {
    const refusals = await readRefusals(
      sql,
      batch,
      seen,
      groups.flatMap(({ members, group }) =>
        inPlace.has(idsOf(members)) || everything(group).some(({ oid }) => waited.has(oid))
          ? []
          : group.members,
      ),
    )
    if (!isPatient) for (const [oid, because] of inTheWay(seen)) refusals.set(oid, because)
    return planTogether(seen.all, candidates, { ...options, refusals })
  }
  let inPlace = await findInPlace(sql, batch, groups, candidates)
  let planned = await planBeside(inPlace)
  // Groups that have become others may not be refreshed in place: what stands in their way matters, too.
  const known = new Set(groups.map(({ members }) => idsOf(members)))
  if (planned.groups.some(({ members }) => !known.has(idsOf(members)))) {
    planned = await planBeside(new Set())
    inPlace = await findInPlace(sql, batch, planned.groups, candidates)
  }
  const whole: PlannedGroup<Scope>[] = []
  const locked: RefreshedEach[] = []
  for (const each of planned.groups) {
    const because = everything(each.group).flatMap(
      ({ oid }) => seen.locked.get(oid) ?? waited.get(oid) ?? [],
    )[0]
    if (because === undefined) whole.push({ ...each, group: { members: seen.read(each.group.members) } })
    else
      for (const { id, asked, view } of candidates)
        if (asked && each.members.includes(id)) locked.push({ view, because })
  }
  // Those that would only come along are told, too: a younger batch waits for this one.
  const isTold = ({ view }: BuiltElsewhere) => locked.every((each) => each.view !== view)
  for (const each of built.filter(isTold))
    if (ids.includes(each.id) || locked.length > 0) locked.push({ view: each.view, because: each.because })
  const made = await form(sql, batch, whole, inPlace, isLastTry)
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
  const needs = read(members.filter(({ oid }) => !locked.has(oid))).map((member) => ({
    oid: member.oid,
    requirements: [placesRequirement, ...memberRequirements(all, member)],
  }))
  const lacking = await findLacking(
    sql,
    needs.flatMap(({ requirements }) => requirements),
  )
  const refusals = new Map<number, string>()
  for (const { oid, requirements } of needs) {
    const [first] = await readObstacles(
      sql,
      requirements.filter((each) => lacking.has(each)),
    )
    if (first !== undefined) refusals.set(oid, first.because)
  }
  return refusals
}

/** A group by its views: their ids, as a text that a set can compare. */
type MemberIds = string
const idsOf = (members: number[]): MemberIds => members.join()

/** The groups among these that may be refreshed in place. */
async function findInPlace(
  sql: Sql,
  batch: Batch,
  groups: { members: number[] }[],
  candidates: GroupCandidate[],
): Promise<ReadonlySet<MemberIds>> {
  const membersOf = ({ members }: { members: number[] }) =>
    candidates.filter(({ id }) => members.includes(id))
  const found = await readInPlace(sql, batch, groups.map(membersOf))
  return new Set(groups.flatMap(({ members }, at) => (found[at] === null ? [] : idsOf(members))))
}

/**
 * Forms groups: makes the empty shadows of those that are not refreshed in place. A group whose shadows cannot be made is refreshed each
 * by itself.
 */
async function form(
  sql: Sql,
  batch: Batch,
  planned: PlannedGroup<Scope>[],
  inPlace: ReadonlySet<MemberIds>,
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
    if (inPlace.has(idsOf(one.members))) {
      groups.push({ ...one, number, shadowBytes: 0, inPlace: true })
      continue
    }
    const rebuild = apart(batchKey(batch, number), group)
    try {
      await inTransaction(sql, async (part) => {
        await executeStatements(part, [nothingStandsBetween(group)], false)
        // One by one they tell which of them fails.
        await withSavepoint(part, (its) => executeTogether(its, make(rebuild))).catch(() =>
          executeStatements(part, make(rebuild), false),
        )
        await executeStatements(part, prove(rebuild), false)
      })
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

/** A view of a group that is refreshed where it is. */
interface InPlace {
  view: ViewFacts
  basis: PlanBasis
}

/** The views of a group that may be refreshed where they are, and how long that is likely to lock readers out. */
interface TogetherInPlace {
  members: InPlace[]
  ms: number
}

/**
 * Whether the views of each of these groups may be refreshed where they are, in one transaction: if that locks readers out no longer than an
 * exchange would. Then it shows the same data at one moment, and costs a fifth. Null if they may not, or if one wants more
 * than `auto` of a refresh: checks, counts, settings, replicas. The facts of all are read by one statement each.
 */
async function readInPlace(
  sql: Sql,
  batch: Batch,
  groups: Pick<BatchView, 'id' | 'schema' | 'name' | 'view'>[][],
): Promise<(TogetherInPlace | null)[]> {
  const all = groups.flat()
  const [bases, views, durations] = await Promise.all([
    readPlanBases(sql, batch, all),
    findViews(sql, all),
    readUsualDurations(sql, all),
  ])
  const usual = new Map(all.map(({ id }, at) => [id, durations[at]!]))
  return groups.map((group) => {
    const members = group.flatMap((member): InPlace[] => {
      const basis = bases.get(member.id)
      const view = views.get(member.view)
      const isSimple = basis !== undefined && view?.mayAlter && view.populated && isPlain(basis, batch)
      return isSimple ? [{ basis, view }] : []
    })
    if (members.length < group.length) return null
    const ms = shortTogether(group.map(({ id }) => usual.get(id)!))
    return ms === null ? null : { members, ms }
  })
}

const isPlain = ({ strategy, checks, settings, skipsUnchanged, paused }: PlanBasis, batch: Batch): boolean =>
  (batch.strategy ?? strategy) === 'auto' &&
  Object.keys(checks).length + Object.keys(settings).length === 0 &&
  !skipsUnchanged &&
  !paused

/**
 * Prepares the runs that refresh groups where they are, each in one transaction; one message may execute them. If that is not possible any
 * more for a group, its views are refreshed each by itself. Leaves out groups that have to wait.
 */
export async function prepareInPlace(
  advancing: AdvancingBatch,
  groups: TogetherGroup[],
): Promise<Exclude<Prepared, Sendable> | BundledRun[]> {
  const { sql, batch, views } = advancing
  const membersOf = groups.map((group) => views.filter(({ id }) => group.members.includes(id)))
  const found = await readInPlace(sql, batch, membersOf)
  const impossible = groups.filter((_, at) => found[at] === null)
  for (const group of impossible) {
    const message =
      'A view of the group was changed, paused or altered during the batch, or takes longer by now.'
    await giveUpGroup(sql, batch, group, { class: 'CatalogChanged', message })
  }
  if (impossible.length > 0) {
    await readAllAgain(advancing)
    return 'made elsewhere'
  }
  const planned = groups.flatMap((group, at) => planInPlace(batch, group, membersOf[at]!, found[at]!) ?? [])
  if (planned.length === 0) return 'in the way'
  const runs = await recordTogether(sql, batch.id, 'pending', planned)
  const recorded = planned.flatMap(({ members, plan, timeoutSeconds, owner }, at): BundledRun[] => {
    const run = runs[at] ?? null
    return run === null ? [] : [{ run, work: { plan, timeoutSeconds }, owner, viewId: members[0]!.id }]
  })
  const [first] = recorded
  if (first === undefined) return 'made elsewhere'
  return recorded.filter(
    (each) =>
      each === first ||
      (each.owner !== null &&
        each.owner === first.owner &&
        each.work.timeoutSeconds === first.work.timeoutSeconds),
  )
}

/** Undefined if another run of one of the views is running. */
function planInPlace(
  batch: Batch,
  group: TogetherGroup,
  members: BatchView[],
  found: TogetherInPlace,
): (RecordedTogether & { timeoutSeconds: number; owner: string | null }) | undefined {
  const bases = found.members.map(({ basis }) => basis)
  if (bases.some(({ runningRunId }) => runningRunId !== null)) return undefined
  const facts = found.members.map(({ view }) => view)
  const timeoutSeconds = Math.max(...bases.map((basis) => basis.timeoutSeconds))
  const plan = planRegularTogether(facts, followersIn(members), {
    timeoutSeconds,
    ifRunning: 'wait',
    settings: {},
    insistsOnOwner: true,
    checking: null,
  })
  const owners = new Set(facts.map(({ owner }) => owner))
  const owner = owners.size === 1 ? (facts[0]?.owner ?? null) : null
  if (owner !== null) plan.bundle = owner
  const because = `the batch refreshes ${members.map(({ view }) => view).join(', ')} in one transaction: that locks readers out for about ${Math.ceil(found.ms)} ms, no longer than an exchange, which costs more`
  const recorded = members.map((member, at) => ({
    id: member.id,
    meta: {
      request: requestOf(batch, member).request,
      response: { strategy: 'regular', because, ...(at === 0 ? { sql: statementsOf(plan) } : {}) },
    },
  }))
  return { group, members: recorded, plan, timeoutSeconds, owner }
}
