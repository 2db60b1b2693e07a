import { readRuns } from '../../db/runs/history.ts'
import type { Run } from '../../db/runs/runs.ts'
import type { Database } from '../../db/server/connect.ts'
import { readView, unknownView } from '../../db/views/catalog.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readViewDetails, readViews, type ViewDetails, type ViewSummary } from '../../db/views/list.ts'
import { type Pause, readPause } from '../../db/views/pause.ts'
import { dependents } from '../../plan/views/graph.ts'
import { resolveName } from '../runs/name.ts'

export interface ListedView extends ViewSummary {
  /** The views that this one reads, directly or through plain views and functions. */
  dependsOn: string[]
  /** The views that read this one. */
  neededBy: string[]
}

export interface DetailedView extends ListedView, ViewDetails {
  recentRuns: Run[]
}

const recentRuns = 10

/**
 * Lists every view that the catalog has now, and every authored view that is missing. Writes nothing, so that a standby can
 * answer.
 */
export function listViews(database: Database): Promise<{ views: ListedView[]; paused: Pause | null }> {
  return database.withConnection(async (sql) => {
    const views = await readViews(sql)
    const dependsOn = await readDependencies(sql)
    const neededBy = dependents(dependsOn)
    return {
      views: views.map((view) => ({
        ...view,
        dependsOn: dependsOn.get(view.view) ?? [],
        neededBy: neededBy.get(view.view) ?? [],
      })),
      paused: await readPause(sql),
    }
  })
}

/** One view by name or id: its entry in the list, its query, its indexes and its most recent runs. */
export function getView(database: Database, view: string): Promise<DetailedView> {
  return database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    const [summary] = await readViews(sql, name)
    if (summary === undefined) {
      await readView(sql, name)
      throw unknownView(name)
    }
    const dependsOn = await readDependencies(sql)
    const { id } = summary
    return {
      ...summary,
      dependsOn: dependsOn.get(summary.view) ?? [],
      neededBy: dependents(dependsOn).get(summary.view) ?? [],
      ...(await readViewDetails(sql, name)),
      recentRuns: id === null ? [] : await readRuns(sql, { definitionId: id, limit: recentRuns }),
    }
  })
}
