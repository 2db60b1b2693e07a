import { readBatchableViews } from '../../db/batches/batch-views.ts'
import { readEvidence } from '../../db/batches/evidence.ts'
import { readLagViews } from '../../db/batches/lag-views.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readPause } from '../../db/views/pause.ts'
import { shortLags } from '../../plan/batches/due.ts'
import { type BrokenPromise, brokenPromises } from '../../plan/batches/promises.ts'
import type { Evidence } from '../../plan/batches/recommend.ts'
import {
  type Foretold,
  type ForetoldView,
  type Hour,
  simulate,
  simulatedEveryMs,
} from '../../plan/batches/simulate.ts'
import { usualConcurrency } from './lags.ts'
import { type Schedules, turnsBetween } from './schedules.ts'

/** What is foretold of a view, and what that goes by. */
interface PlannedView extends Omit<Foretold, 'missedBecause' | 'steadyMs'> {
  usualMs: number | null
  /** How many successful refreshes that goes by, at most 100. */
  succeeded: number
  paused: boolean
  targetLagMs: number | null
  maxStaleMs: number | null
  /** The shortest target lag that can be kept, if that of the view cannot. */
  worksMs: number | null
  /** The promises that it will not keep. */
  broken: BrokenPromise[]
}

/** The refreshes of the coming day. */
export interface DayPlan {
  /** The full hour at which it begins. */
  from: Date
  /** Whether everything scheduled is paused now; the plan is as if it were not. */
  paused: boolean
  hours: (Omit<Hour, 'at'> & { at: Date })[]
  views: PlannedView[]
}

const hourMs = 3600_000
const hours = 24

/** The refreshes of the 24 hours from the next full hour on, if each takes as long as it usually takes. Writes nothing. */
export async function getPlan(database: Database, schedules: Schedules): Promise<DayPlan> {
  const record = await database.withConnection(readRecord)
  const told = foretell(record, schedules)
  return {
    from: new Date(told.from),
    paused: record.paused,
    hours: told.hours.map(({ at, ...hour }) => ({ at: new Date(at), ...hour })),
    views: told.views.map(({ view, evidence, foretold, worksMs, broken }) => {
      const { missedBecause: _missedBecause, steadyMs: _steadyMs, ...shown } = foretold
      return {
        ...shown,
        oldestMs: rounded(foretold.oldestMs),
        usualMs: rounded(view.usualMs),
        succeeded: evidence.refreshes,
        paused: view.paused,
        targetLagMs: view.lagMs,
        maxStaleMs: rounded(view.limitMs),
        worksMs,
        broken,
      }
    }),
  }
}

const rounded = (ms: number | null): number | null => (ms === null ? null : Math.round(ms))

/** What the coming day is foretold by. */
interface PlanRecord {
  /** The time of the database. */
  now: number
  paused: boolean
  dependencies: Map<string, string[]>
  /** Every view of the database that has a definition. */
  views: (ForetoldView & { evidence: Evidence })[]
}

/** Reads all that the coming day is foretold by, so that no connection waits while it is. */
export async function readRecord(sql: Sql): Promise<PlanRecord> {
  const { now, views } = await readLagViews(sql)
  const lags = new Map(views.map((each) => [each.view, each]))
  const evidences = new Map((await readEvidence(sql)).map((each) => [each.view, each]))
  const there = await readBatchableViews(sql)
  return {
    now,
    paused: (await readPause(sql)) !== null,
    dependencies: await readDependencies(sql),
    views: there.flatMap((view) => {
      const lag = lags.get(view.view)
      const evidence = evidences.get(view.view)
      return lag === undefined || evidence === undefined
        ? []
        : { ...view, ...lag, leftOutShare: evidence.leftOutShare, evidence }
    }),
  }
}

/** What is foretold of the coming day, by what has been read. Pure. */
export function foretell({ views, dependencies, ...record }: PlanRecord, schedules: Schedules) {
  const now = Math.round(record.now)
  const { everySeconds = null, concurrency = usualConcurrency } = schedules.looks ?? {}
  const look = everySeconds === null ? null : { everyMs: everySeconds * 1000, concurrency }
  const from = Math.ceil(now / hourMs) * hourMs
  const turns = turnsBetween(views, schedules, new Date(now), new Date(from + hours * hourMs))
  const everyMs = look === null ? null : simulatedEveryMs(views.length, look.everyMs, hours)
  const told = simulate(views, dependencies, turns, { now, everyMs, concurrency, from, hours })
  const short = look === null ? [] : shortLags(views, dependencies, look)
  const alone = look === null ? [] : shortLags(views, dependencies, { ...look, concurrency: Infinity })
  const works = new Map(short.map((each) => [each.view, each]))
  const impossible = new Set(alone.map(({ view }) => view))
  const paused = new Set(views.flatMap(({ view, paused }) => (paused ? [view] : [])))
  return {
    look,
    from,
    hours: told.hours,
    views: told.views.map((foretold, at) => {
      const view = views[at]!
      const found = works.get(view.view)
      return {
        view,
        evidence: view.evidence,
        foretold,
        worksMs: found?.worksMs ?? null,
        broken: brokenPromises(view, foretold, {
          short: found && { ...found, alone: impossible.has(view.view) },
          everyMs: everyMs ?? 0,
          isHeld: foretold.heldBackBy !== null && paused.has(foretold.heldBackBy),
        }),
      }
    }),
  }
}
