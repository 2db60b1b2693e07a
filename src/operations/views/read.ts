import { readSaved } from '../../db/monitoring/saved.ts'
import { readRuns } from '../../db/runs/history.ts'
import { readWaitingRetries, type WaitingRetry } from '../../db/runs/retries.ts'
import type { Run } from '../../db/runs/runs.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { readReplicas } from '../../db/server/standbys.ts'
import { type AsideView, listAside } from '../../db/views/aside.ts'
import { readView, unknownView } from '../../db/views/catalog.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readViewDetails, readViews, type ViewDetails, type ViewSummary } from '../../db/views/list.ts'
import { type Pause, readPause } from '../../db/views/pause.ts'
import type { Saved } from '../../plan/monitoring/saved.ts'
import type { Replicas } from '../../plan/replicas.ts'
import { dependents } from '../../plan/views/graph.ts'
import { type Hindrances, readHindrances } from '../monitoring/lags.ts'
import { type NextScheduled, nextScheduled, type Schedules, unscheduled } from '../monitoring/schedules.ts'
import { resolveName } from '../runs/name.ts'

/** `leftOut` and `savedMs` are those of the last 24 h. */
export interface ListedView extends Omit<ViewSummary, 'inAll'>, Saved {
  /** The views that this one reads, directly or through plain views and functions. */
  dependsOn: string[]
  /** The views that read this one. */
  neededBy: string[]
  /** When a schedule refreshes the view next; null if none does, or a pause keeps it from that. */
  nextRun: Date | null
  /** Whether that is the view's own schedule or the one for every view; null if there is no next run. */
  nextBy: NextScheduled['by'] | null
  /** The shortest target lag that can be kept, in seconds, if that of the definition cannot; otherwise null. */
  lagWorksSeconds: number | null
  /** When schedules try the view again that has failed too often in a row; null if it is not suspended. */
  suspendedUntil: Date | null
  /** Since when the view is set aside, and which role set it aside; null if it is not. */
  aside: { since: Date; by: string } | null
  /** That the last attempt failed, and when the next one begins; null if none waits. */
  retry: Omit<WaitingRetry, 'definitionId'> | null
}

export interface DetailedView extends ListedView, ViewDetails {
  recentRuns: Run[]
}

const recentRuns = 10

/**
 * Lists every view that the catalog has now, and every authored view that is missing. Writes nothing, so that a standby can
 * answer.
 */
export function listViews(
  database: Database,
  schedules: Schedules = unscheduled,
): Promise<{ views: ListedView[]; paused: Pause | null; replicas: Replicas }> {
  return database.withConnection(async (sql) => {
    const views = await readViews(sql)
    const around = await readSurroundings(sql, views, schedules)
    return {
      views: views.map((view) => listed(view, around)),
      paused: around.paused,
      replicas: await readReplicas(sql),
    }
  })
}

/** One view by name or id: its entry in the list, its query, its indexes and its most recent runs. */
export function getView(
  database: Database,
  view: string,
  schedules: Schedules = unscheduled,
): Promise<DetailedView> {
  return database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    const [summary] = await readViews(sql, name)
    if (summary === undefined) {
      await readView(sql, name)
      throw await unknownView(sql, name)
    }
    const { id } = summary
    return {
      ...listed(summary, await readSurroundings(sql, [summary], schedules, id)),
      ...(await readViewDetails(sql, name)),
      recentRuns: id === null ? [] : (await readRuns(sql, { definitionId: id, limit: recentRuns })).rows,
    }
  })
}

/** What the entry of a view tells besides what was read of the view itself. */
interface Surroundings {
  dependsOn: Map<string, string[]>
  neededBy: Map<string, string[]>
  paused: Pause | null
  asides: AsideView[]
  retries: WaitingRetry[]
  hindrances: Hindrances
  saved: Map<number, Saved>
  schedules: Schedules
  now: Date
}

/** Of all views, or of the one with the definition `only`. */
async function readSurroundings(
  sql: Sql,
  views: ViewSummary[],
  schedules: Schedules,
  only: number | null = null,
): Promise<Surroundings> {
  const dependsOn = await readDependencies(sql)
  return {
    dependsOn,
    neededBy: dependents(dependsOn),
    paused: await readPause(sql),
    asides: await listAside(sql),
    retries: await readWaitingRetries(sql),
    hindrances: await readHindrances(sql, views, schedules.looks),
    saved: await readSaved(sql, only),
    schedules,
    now: new Date(),
  }
}

function listed(
  { inAll, ...shown }: ViewSummary,
  { dependsOn, neededBy, paused, asides, retries, hindrances, saved, schedules, now }: Surroundings,
): ListedView {
  const aside = asides.find(({ schema, name }) => schema === shown.schema && name === shown.name)
  const retry = retries.find(({ definitionId }) => definitionId === shown.id)
  const isPaused = shown.paused || paused !== null
  const works = hindrances.works.get(shown.view)
  const suspended = hindrances.suspended.get(shown.view)
  const next = isPaused ? null : nextScheduled({ ...shown, inAll }, schedules, now)
  return {
    ...shown,
    dependsOn: dependsOn.get(shown.view) ?? [],
    neededBy: neededBy.get(shown.view) ?? [],
    nextRun: next?.at ?? null,
    nextBy: next?.by ?? null,
    lagWorksSeconds: works === undefined ? null : works / 1000,
    suspendedUntil: suspended === undefined ? null : new Date(suspended.until),
    ...(saved.get(shown.id ?? 0) ?? { leftOut: 0, savedMs: null }),
    aside: aside === undefined ? null : { since: aside.since, by: aside.by },
    retry: retry === undefined ? null : { runId: retry.runId, at: retry.at, message: retry.message },
  }
}
