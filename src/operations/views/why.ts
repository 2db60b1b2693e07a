import { closeLostRuns, mayCloseRuns } from '../../db/life/lose.ts'
import { readRuns } from '../../db/runs/history.ts'
import { readWaitingRetries } from '../../db/runs/retries.ts'
import type { Run } from '../../db/runs/runs.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { sinceAside } from '../../db/views/aside.ts'
import { readView, unknownView } from '../../db/views/catalog.ts'
import { findDefinitionId } from '../../db/views/definitions.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readViews, type ViewSummary } from '../../db/views/list.ts'
import { readPause } from '../../db/views/pause.ts'
import type { Cause, HeldLock } from '../../plan/diagnosis/cause.ts'
import type { Standing } from '../../plan/diagnosis/standing.ts'
import { type AnyState, stateBesideLastRun } from '../../plan/diagnosis/state.ts'
import { whyOf } from '../../plan/diagnosis/why.ts'
import { displayName, type QualifiedName } from '../../plan/names.ts'
import { definitionDefaults } from '../../plan/views/definition.ts'
import { viewsAbove } from '../../plan/views/graph.ts'
import { moment } from '../../plan/words.ts'
import type { Schedules } from '../monitoring/schedules.ts'
import { resolveName } from '../runs/name.ts'
import { isNamed, readStandings } from './standings.ts'

/** Why the data of a view are as old as they are, and what to do. */
export interface Why
  extends Pick<
    Standing,
    'view' | 'staleMs' | 'maxStaleMs' | 'lastSuccessAt' | 'asOf' | 'heldBackBy' | 'nextRun'
  > {
  /** The same as in the list of views. */
  state: AnyState
  /** The real cause first; always one. */
  causes: Cause[]
  /** Who is in the way of the refresh now, also of the refresh of a view that it reads. */
  locks: HeldLock[]
  recentRuns: Run[]
}

/** Whose schedules and whose commands to tell. */
export interface WhyCall {
  schedules: Schedules
  /** The name of the environment; null for the local gateway. */
  environment: string | null
}

const recentRuns = 5

/**
 * Why a view is as old as it is: from its runs, its batch, the schedules and the locks of other sessions, and from the same
 * of every view that it reads. Runs whose server process is gone are closed first, if the login may do so. A view that is
 * set aside is answered, too. Throws UnknownView.
 */
export function getWhy(database: Database, view: string, { schedules, environment }: WhyCall): Promise<Why> {
  return database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    if (await mayCloseRuns(sql)) await closeLostRuns(sql)
    const summaries = await readViews(sql)
    const subject = summaries.find(isNamed(name)) ?? (await readAsideSummary(sql, name))
    const byName = new Map(summaries.map((each) => [each.view, each]))
    const dependencies = await readDependencies(sql)
    const above = viewsAbove(subject.view, dependencies).flatMap((each) => byName.get(each) ?? [])
    const allPaused = await readPause(sql)
    const now = new Date()
    const times = { schedules, now, isAllPaused: allPaused !== null }
    const [standing, ...upstream] = (await readStandings(sql, [subject, ...above], times, subject)) as [
      Standing,
      ...Standing[],
    ]
    const retry =
      (await readWaitingRetries(sql)).find(({ definitionId }) => definitionId === subject.id) ?? null
    const { staleMs, maxStaleMs, lastSuccessAt, asOf, heldBackBy, nextRun } = standing
    return {
      view: standing.view,
      state: stateBesideLastRun({ ...subject, aside: standing.aside, retry }),
      staleMs,
      maxStaleMs,
      lastSuccessAt,
      asOf,
      heldBackBy,
      nextRun,
      causes: whyOf(standing, upstream, (each) => dependencies.get(each) ?? [], {
        now,
        clock: (at) => moment(at, now),
        environment,
        allPaused,
      }),
      locks: withoutRepeats([standing, ...upstream].flatMap(({ locks }) => locks)),
      recentRuns:
        subject.id === null
          ? []
          : (await readRuns(sql, { definitionId: subject.id, limit: recentRuns })).rows,
    }
  })
}

/** A view that is set aside and that nobody authored: the list of views does not have it. */
async function readAsideSummary(sql: Sql, name: QualifiedName): Promise<ViewSummary> {
  if ((await sinceAside(sql, name)) === '') {
    await readView(sql, name)
    throw await unknownView(sql, name)
  }
  return {
    id: (await findDefinitionId(sql, name)) ?? null,
    view: displayName(name),
    schema: name.schema,
    name: name.name,
    source: 'discovered',
    strategy: definitionDefaults.strategy,
    populated: false,
    paused: false,
    sizeBytes: null,
    estimatedRows: null,
    lastRun: null,
    lastSuccessAt: null,
    asOf: null,
    heldBackBy: null,
    staleMs: null,
    maxStaleMs: null,
    stale: false,
    missing: false,
    failing: false,
    checked: false,
    checkFailedSince: null,
    schedule: null,
    timeZone: null,
    targetLagSeconds: null,
    inAll: false,
  }
}

/** A session may be in the way of several views. */
const withoutRepeats = (locks: HeldLock[]): HeldLock[] => [
  ...new Map(locks.map((lock) => [JSON.stringify([lock.pid, lock.end]), lock])).values(),
]
