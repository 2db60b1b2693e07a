import { setTimeout as pause } from 'node:timers/promises'
import { findLocked } from '../catalog/db/locked.ts'
import { traitsOf } from '../catalog/plan/definition.ts'
import {
  type BatchGroup,
  type Grouped,
  type Grouping,
  lockGrouping,
  readBuiltElsewhere,
  readOpenGroups,
  readThere,
  recordGroups,
  recordUndecided,
} from '../record/batches/batch-groups.ts'
import { type BatchView, insertBatchViews, readBatchViews } from '../record/batches/batch-views.ts'
import type { Batch, RefreshedEach } from '../record/batches/batches.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import type { Sql } from '../server/database.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { withTransaction } from '../server/transactions.ts'
import { parentsFirst, reached } from '../sql/walks.ts'
import { type AdvancingBatch, lookAgainMs } from './advancing.ts'
import { joinRefreshed, leaveOutUnchanged } from './leave-out.ts'

/** How long the groups of a batch may fail to be formed before its views are refreshed each by itself. */
const formingPatienceMs = 30_000
const formingPauseMs = 100

/**
 * On so many views, or on one piece, the first call decides at once: their shadows take about half a second to make. Later ones decide on more, while
 * the first are refreshed, because each call reads all views of the batch.
 */
const atFirst = 24
const later = 80

/** What is decided of a batch: its groups without those that were given up, and the ids of the views on which nothing is yet. */
export interface Settled {
  groups: BatchGroup[]
  undecided: ReadonlySet<number>
}

/** On which views to decide: on those that wait for a lock, or on those whose turn comes next. The first look is at the next ones. */
type Which = 'locked' | 'next'

/**
 * Decides on views of a batch, unless another call does. A failure that may pass is tried again; if it does not pass soon, the views
 * are refreshed each by itself, and their runs meet its cause themselves. Null if the time is up first, or if another call decides which is next.
 */
export async function settleGroups(
  sql: Sql,
  batch: Batch,
  until: number,
  which: Which = 'locked',
): Promise<Settled | null> {
  const patientUntil = Date.now() + formingPatienceMs
  for (;;) {
    const isLastTry = Date.now() >= patientUntil
    try {
      const undecided = await formGroups(sql, batch, which, isLastTry)
      if (undecided !== 'busy') return { groups: await readOpenGroups(sql, batch.id), undecided }
      if (which === 'next') return null
    } catch (error) {
      const sqlstate = sqlstateOf(error) ?? sqlstateOf((error as Error).cause)
      if (isLastTry || sqlstate === undefined || !mayPass(sqlstate)) throw error
    }
    if (Date.now() >= until) return null
    await pause(formingPauseMs)
  }
}

/**
 * Makes the function that decides on the views that wait: on the next ones at once, on those that wait for a lock at intervals. True
 * if something is decided by now that was not before, here or by another call.
 */
export function makeSettle(advancing: AdvancingBatch): (which: Which) => Promise<boolean> {
  const { sql, batch, until, latestRuns } = advancing
  let next = Date.now() + lookAgainMs
  return async (which) => {
    if (advancing.undecided.size === 0 || (which === 'locked' && Date.now() < next)) return false
    next = Date.now() + lookAgainMs
    const settled = await settleGroups(sql, batch, until, which)
    if (settled === null || settled.undecided.size === advancing.undecided.size) return false
    advancing.views = await readBatchViews(sql, batch.id)
    Object.assign(advancing, settled)
    await latestRuns.reload()
    return true
  }
}

/**
 * Decides which views of a batch are exchanged together, and makes their shadows, which are empty: in one transaction, so nothing
 * half-made stays of a call that dies. Returns the ids of the views on which nothing is decided yet, because their turn has not come,
 * somebody has locked one of their group, or another batch is building it: what that has refreshed is not refreshed again. `busy` while
 * another call decides for this batch; call again. A failure that may pass is thrown, except on the last try.
 */
async function formGroups(
  sql: Sql,
  batch: Batch,
  which: Which,
  isLastTry: boolean,
): Promise<ReadonlySet<number> | 'busy'> {
  const none = new Set<number>()
  if (traitsOf(batch.strategy).isInPlace || batch.cancelRequestedAt !== null) return none
  return withTransaction(sql, async (transaction) => {
    const known = await lockGrouping(transaction, batch)
    if (known === 'busy') return known
    if (known === null || known.groupedAt !== null) return none
    const views = await readBatchViews(transaction, batch.id)
    const taken = await takePieces(transaction, batch, views, known, which)
    const decided =
      taken.views.length === 0 ? nothing : await decideOn(transaction, batch, known, taken, isLastTry)
    if (decided === 'busy') return decided
    const locked = [...taken.locked, ...decided.locked]
    if (known.pieces === null || taken.views.length > 0) {
      const changed = withChanged(views, decided.views)
      if (changed !== null) await insertBatchViews(transaction, batch.id, changed)
      await recordGroups(transaction, batch.id, decided)
      await recordUndecided(transaction, batch.id, { locked, pieces: taken.pieces })
    }
    return new Set([...idsOf(views, locked), ...taken.pieces.flat()])
  })
}

/** What a call decides on. */
interface TakenViews {
  /** These views, none if it is nobody's turn. */
  views: BatchView[]
  /** The ids of all views of their pieces. */
  among: number[]
  /** Whether they have waited for a lock. */
  again: boolean
  /** The pieces whose turn comes later. */
  pieces: number[][]
  /** The views that go on waiting for a lock. */
  locked: RefreshedEach[]
}

async function takePieces(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  { pieces, locked, isPatient }: Grouping,
  which: Which,
): Promise<TakenViews> {
  const of = (ids: number[]) => views.filter(({ id }) => ids.includes(id))
  if (pieces !== null && which === 'locked') {
    const waiting = idsOf(views, locked)
    const isOver = waiting.length > 0 && !(await stillWaits(sql, batch, waiting, isPatient))
    if (!isOver) return { views: [], among: [], again: true, pieces, locked }
    // What reads each other is decided on with all that was decided before.
    const all = piecesOf(views, await readDependencies(sql))
    const among = all.filter((piece) => piece.some((id) => waiting.includes(id))).flat()
    return { views: of(waiting), among, again: true, pieces, locked: [] }
  }
  let rest = pieces
  if (rest === null) {
    rest = piecesOf(views, await readDependencies(sql))
    const inPieces = new Set(rest.flat())
    await joinRefreshed(
      sql,
      batch,
      views.filter(({ id }) => !inPieces.has(id)),
    )
  }
  const now: number[] = []
  let taken = 0
  const most = pieces ? later : atFirst
  while (taken < rest.length && now.length < most) now.push(...rest[taken++]!)
  return { views: of(now), among: now, again: false, pieces: rest.slice(taken), locked }
}

/** Whether another batch is still building one of these views, or somebody's lock is in the way of one, and they may wait for it. */
async function stillWaits(sql: Sql, batch: Batch, waiting: number[], isPatient: boolean): Promise<boolean> {
  if ((await readBuiltElsewhere(sql, batch, waiting)).length > 0) return true
  if (!isPatient) return false
  const there = await readThere(sql, batch, waiting)
  return (
    there.length > 0 &&
    (
      await findLocked(
        sql,
        there.map(({ oid }) => oid),
      )
    ).length > 0
  )
}

/** Of the views whose turn it is, those are decided on that have to be refreshed. */
async function decideOn(
  sql: Sql,
  batch: Batch,
  { isPatient, shadowBytes }: Grouping,
  { views, among, again }: TakenViews,
  isLastTry: boolean,
): Promise<Grouped | 'busy'> {
  const joined = await joinRefreshed(sql, batch, views)
  const stays = again ? new Set() : await leaveOutUnchanged(sql, batch, views)
  const ids = views.flatMap(({ id }) => (joined.has(id) || stays.has(id) ? [] : id))
  const { decideGroups } = await import('./groups.ts')
  return decideGroups(sql, batch, { ids, among }, { isPatient: isPatient || !again, shadowBytes }, isLastTry)
}

const nothing: Grouped = { groups: [], each: [], views: [], locked: [] }

/** The ids of these views of the batch. */
const idsOf = (views: BatchView[], those: { view: string }[]): number[] => {
  const names = new Set(those.map(({ view }) => view))
  return views.flatMap(({ id, view }) => (names.has(view) ? id : []))
}

/** What `piecesOf` needs to know of a view in a batch. */
interface Piece {
  id: number
  view: string
}

/**
 * The views of a batch, by their ids, in pieces of which no view reads a view of another one: what is exchanged together is decided for
 * each piece by itself. Views outside the batch join what they read, because they may come along. Views that belong to nothing are left
 * out. The order is that of `views`. `dependencies`: what each view of the database reads. Linear. Pure.
 */
export function piecesOf(views: Piece[], dependencies: Map<string, string[]>): number[][] {
  const ids = new Map(views.map(({ id, view }) => [view, id]))
  const readers = new Map<string, string[]>()
  for (const [view, reads] of dependencies)
    for (const read of reads) {
      const found = readers.get(read)
      if (found === undefined) readers.set(read, [view])
      else found.push(view)
    }
  const moving = reached(ids.keys(), (view) => readers.get(view) ?? [])
  const beside = (view: string) =>
    [...(dependencies.get(view) ?? []), ...(readers.get(view) ?? [])].filter((other) => moving.has(other))
  const placed = new Set<string>()
  const pieces: number[][] = []
  for (const { view } of views) {
    if (placed.has(view)) continue
    const piece = reached([view], beside)
    for (const each of piece) placed.add(each)
    if (piece.size > 1) pieces.push([...piece].flatMap((each) => ids.get(each) ?? []))
  }
  return pieces
}

/** All views of a batch with what was `decided` of some, parents before children; null if that changes nothing. */
export function withChanged<View extends { id: number; parents: number[]; includedBecause: string | null }>(
  views: View[],
  decided: View[],
): View[] | null {
  const before = new Map(views.map((view) => [view.id, view]))
  const isSame = ({ id, parents, includedBecause }: View) =>
    before.get(id)?.parents.length === parents.length && before.get(id)?.includedBecause === includedBecause
  if (decided.every(isSame)) return null
  const byId = new Map([...before, ...decided.map((view) => [view.id, view] as const)])
  return parentsFirst(
    [...byId.values()],
    ({ id }) => id,
    ({ parents }) => parents,
  )
}
