import { viewsAbove } from '../catalog/plan/graph.ts'
import type { Schedules } from '../due/schedules.ts'
import type { HeldLock, Silence } from '../record/plan/watch.ts'
import { mayCloseRuns } from '../record/runs/history.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { slowAmong } from '../record/watch/ended.ts'
import { readSilence } from '../record/watch/looks.ts'
import { resolveName } from '../run/name.ts'
import type { ShownRun } from '../run/read-runs.ts'
import type { Database } from '../server/database.ts'
import type { CommandTarget } from '../words/commands.ts'
import { utc } from '../words/phrases.ts'
import type { Cause, ExaminedView, Standing } from './diagnosis/cause.ts'
import { whyOf } from './diagnosis/diagnose.ts'
import { slowCause } from './diagnosis/run-cause.ts'
import { examineViews } from './examine.ts'
import { silenceOf } from './plan/silence.ts'
import { insistOnView, readRecentRuns } from './read-views.ts'
import { readStandings } from './standings.ts'

/** Why the data of a view are as old as they are, and what to do. */
export interface Diagnosis
  extends Pick<
    Standing,
    | 'view'
    | 'state'
    | 'culprit'
    | 'staleMs'
    | 'maxStaleMs'
    | 'lastSuccessAt'
    | 'asOf'
    | 'heldBackBy'
    | 'nextRun'
    | 'nextBy'
  > {
  /** What the view to fix first holds back: this one or its culprit. */
  holdsBack: string[]
  /** The real cause first; always one. */
  causes: Cause[]
  /** Who is in the way of the refresh now, also of the refresh of a view that it reads. */
  locks: HeldLock[]
  recentRuns: ShownRun[]
  silence: Silence
}

/** Whose schedules and whose commands to tell. */
export interface WhyCall {
  schedules: Schedules
  typed: CommandTarget
}

const recentRuns = 5

/**
 * Why a view is as old as it is: from its runs, its batch, the schedules and the locks of other sessions, and from the same
 * of every view that it reads. Runs whose server process is gone are closed first, if the login may do so. A view that is
 * set aside is answered, too. Throws UnknownView.
 */
export function getWhy(database: Database, view: string, { schedules, typed }: WhyCall): Promise<Diagnosis> {
  return database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    if (await mayCloseRuns(sql)) await closeLostRuns(sql)
    const standings = await readStandings(sql, schedules)
    const { now, views, dependencies, pause } = standings
    const subject = await insistOnView(sql, views, name)
    const byName = new Map(views.map((each) => [each.view, each]))
    const above = viewsAbove(subject.view, dependencies).flatMap((each) => byName.get(each) ?? [])
    const examined = await examineViews(sql, [subject, ...above], standings, subject)
    const silence = silenceOf(await readSilence(sql, subject.view), typed)
    const slow = await slowAmong(sql, [subject.view])
    const [own, ...upstream] = examined as [ExaminedView, ...ExaminedView[]]
    const { id, state, culprit, staleMs, maxStaleMs, lastSuccessAt, asOf, heldBackBy, nextRun, nextBy } = own
    return {
      view: own.view,
      state,
      culprit,
      staleMs,
      maxStaleMs,
      lastSuccessAt,
      asOf,
      heldBackBy,
      nextRun,
      nextBy,
      holdsBack: views.flatMap((each) => (each.culprit === (culprit ?? own.view) ? each.view : [])),
      causes: [
        ...whyOf(own, upstream, (each) => dependencies.get(each) ?? [], {
          now,
          clock: utc,
          typed,
          allPaused: pause,
        }),
        ...slow.map((run) => slowCause(run, typed)),
      ],
      locks: withoutRepeats(examined.flatMap(({ locks }) => locks)),
      silence,
      recentRuns: await readRecentRuns(sql, id, recentRuns),
    }
  })
}

/** A session may be in the way of several views. */
const withoutRepeats = (locks: HeldLock[]): HeldLock[] => [
  ...new Map(locks.map((lock) => [JSON.stringify([lock.pid, lock.end]), lock])).values(),
]
