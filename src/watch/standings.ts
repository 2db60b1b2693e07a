import type { ViewStateFacts } from '../catalog/plan/state.ts'
import { lagsOf } from '../due/plan/lags.ts'
import { nextScheduled, type Schedules, tooRare } from '../due/schedules.ts'
import { type QuietWindow, readQuiet } from '../record/definitions/pauses.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { readFacts } from '../record/definitions/state-facts.ts'
import { type Pause, readPause } from '../record/runs/skip.ts'
import { readPlanned } from '../record/watch/looks.ts'
import type { Sql } from '../server/database.ts'
import { judge, type Standing } from './diagnosis/cause.ts'

/** How every view stands, and what all have in common. */
export interface Standings {
  /** The time of the database. */
  now: Date
  views: Standing[]
  /** Which views each view reads. */
  dependencies: Map<string, string[]>
  pause: Pause | null
  quiet: QuietWindow | null
  /** What is planned: what the last look has noted, or else what this door was told. */
  schedules: Schedules
}

/** Reads how every view stands, those that are set aside among them; their sizes if asked. Writes nothing, so that a standby can answer. */
export async function readStandings(sql: Sql, said: Schedules, { sizes = false } = {}): Promise<Standings> {
  const schedules = (await readPlanned<Schedules>(sql)) ?? said
  const facts = await readFacts(sql, { sizes })
  const dependencies = await readDependencies(sql)
  const pause = await readPause(sql)
  const quiet = await readQuiet(sql)
  const { now } = facts
  const { short, suspended } = lagsOf(facts, dependencies, schedules.looks)
  const works = new Map(short.map(({ view, worksMs }) => [view, worksMs]))
  const left = new Map(suspended.map((each) => [each.view, each]))
  const views = judge(facts.views, dependencies).map((view): Standing => {
    const isPaused = view.pausedSince !== null || pause !== null
    const next = nextOf(view, schedules, now)
    const tries = left.get(view.view)
    const { followed } = schedules.looks?.followsLogs && view.failure === null ? (view.planned ?? {}) : {}
    const isFollowed = next?.by === 'lag' && followed && !works.has(view.view)
    return {
      ...view,
      scheduled: next !== null && next.by !== 'retry',
      nextRun: isPaused ? null : (next?.at ?? null),
      tooRare: view.promisedMs === null ? tooRare(view, view.maxStaleMs, schedules) : null,
      nextBy: isPaused ? null : isFollowed ? 'log' : (next?.by ?? null),
      lagWorksMs: isPaused ? null : (works.get(view.view) ?? null),
      suspended:
        isPaused || tries === undefined ? null : { failures: tries.failures, until: new Date(tries.until) },
    }
  })
  return { now, views, dependencies, pause, quiet, schedules }
}

/** What refreshes a view next: a retry that waits, or what is due first. */
function nextOf(
  view: ViewStateFacts,
  schedules: Schedules,
  now: Date,
): { at: Date; by: NonNullable<Standing['nextBy']> } | null {
  const scheduled = nextScheduled(view, schedules, now)
  if (view.retry === null || (scheduled !== null && scheduled.at < view.retry.at)) return scheduled
  return { at: view.retry.at, by: 'retry' }
}
