import { readRuns } from '../../db/runs/history.ts'
import type { Run } from '../../db/runs/runs.ts'
import type { Database } from '../../db/server/connect.ts'
import { readView, unknownView } from '../../db/views/catalog.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readViewDetails, readViews, type ViewDetails, type ViewSummary } from '../../db/views/list.ts'
import { type Pause, readPause } from '../../db/views/pause.ts'
import { dependents } from '../../plan/views/graph.ts'
import { type Schedules, unscheduled } from '../monitoring/schedules.ts'
import { findStaleViews } from '../monitoring/stale-views.ts'
import { resolveName } from '../runs/name.ts'

export interface ListedView extends ViewSummary {
  /** The views that this one reads, directly or through plain views and functions. */
  dependsOn: string[]
  /** The views that read this one. */
  neededBy: string[]
  /** Whether the view's data are stale. */
  stale: boolean
}

export interface DetailedView extends ListedView, ViewDetails {
  recentRuns: Run[]
}

const recentRuns = 10

/** Lists every view that the catalog has now. Writes nothing, so that a standby can answer. */
export function listViews(
  database: Database,
  schedules: Schedules = unscheduled,
): Promise<{ views: ListedView[]; paused: Pause | null }> {
  return database.withConnection(async (sql) => {
    const views = await readViews(sql)
    const dependsOn = await readDependencies(sql)
    const neededBy = dependents(dependsOn)
    const stale = new Set((await findStaleViews(sql, schedules)).map(({ view }) => view))
    return {
      views: views.map((view) => ({
        ...view,
        dependsOn: dependsOn.get(view.view) ?? [],
        neededBy: neededBy.get(view.view) ?? [],
        stale: stale.has(view.view),
      })),
      paused: await readPause(sql),
    }
  })
}

/** One view by name or id: its entry in the list, its query, its indexes and its most recent runs. */
export function getView(
  database: Database,
  name: string,
  schedules: Schedules = unscheduled,
): Promise<DetailedView> {
  return database.withConnection(async (sql) => {
    const found = await readView(sql, await resolveName(sql, name))
    const [summary] = await readViews(sql, found)
    if (summary === undefined) throw await unknownView(sql, found)
    const { view, id } = summary
    const dependsOn = await readDependencies(sql)
    return {
      ...summary,
      dependsOn: dependsOn.get(view) ?? [],
      neededBy: dependents(dependsOn).get(view) ?? [],
      stale: id !== null && (await findStaleViews(sql, schedules, id)).length > 0,
      ...(await readViewDetails(sql, found)),
      recentRuns: id === null ? [] : await readRuns(sql, { definitionId: id, limit: recentRuns }),
    }
  })
}
