import { readRuns } from '../../db/runs/history.ts'
import type { Run } from '../../db/runs/runs.ts'
import type { Database } from '../../db/server/connect.ts'
import { readView, unknownView } from '../../db/views/catalog.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readViewDetails, readViews, type ViewDetails, type ViewSummary } from '../../db/views/list.ts'
import { type Pause, readPause } from '../../db/views/pause.ts'
import { dependents } from '../../plan/views/graph.ts'
import { type NextScheduled, nextScheduled, type Schedules, unscheduled } from '../monitoring/schedules.ts'
import { resolveName } from '../runs/name.ts'

export interface ListedView extends Omit<ViewSummary, 'inAll'> {
  /** The views that this one reads, directly or through plain views and functions. */
  dependsOn: string[]
  /** The views that read this one. */
  neededBy: string[]
  /** When a schedule refreshes the view next; null if none does, or a pause keeps it from that. */
  nextRun: Date | null
  /** Whether that is the view's own schedule or the one for every view; null if there is no next run. */
  nextBy: NextScheduled['by'] | null
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
): Promise<{ views: ListedView[]; paused: Pause | null }> {
  return database.withConnection(async (sql) => {
    const views = await readViews(sql)
    const dependsOn = await readDependencies(sql)
    const neededBy = dependents(dependsOn)
    const paused = await readPause(sql)
    const now = new Date()
    return {
      views: views.map((view) => listed(view, { dependsOn, neededBy, paused, schedules, now })),
      paused,
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
    const dependsOn = await readDependencies(sql)
    const neededBy = dependents(dependsOn)
    const paused = await readPause(sql)
    const { id } = summary
    return {
      ...listed(summary, { dependsOn, neededBy, paused, schedules, now: new Date() }),
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
  schedules: Schedules
  now: Date
}

function listed(
  { inAll, ...shown }: ViewSummary,
  { dependsOn, neededBy, paused, schedules, now }: Surroundings,
): ListedView {
  const isPaused = shown.paused || paused !== null
  const next = isPaused ? null : nextScheduled({ ...shown, inAll }, schedules, now)
  return {
    ...shown,
    dependsOn: dependsOn.get(shown.view) ?? [],
    neededBy: neededBy.get(shown.view) ?? [],
    nextRun: next?.at ?? null,
    nextBy: next?.by ?? null,
  }
}
