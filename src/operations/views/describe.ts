import type { Database } from '../../db/server/connect.ts'
import { listViewNames } from '../../db/views/catalog.ts'
import { readAllDependencies } from '../../db/views/graph.ts'
import { readLiveView } from '../../db/views/look.ts'
import type { Definition } from '../../plan/views/definition.ts'
import { definitionOf } from '../../plan/views/describe.ts'
import { inDependencyOrder } from '../../plan/views/graph.ts'
import { resolveName } from '../runs/name.ts'

/** A live view as a definition, and what of it a definition cannot say. */
export interface DescribedView {
  definition: Definition
  leftOut: string[]
  /** The plain views through which it reads. */
  plainViews: string[]
}

/**
 * Writes live views down as definitions: those named, as SQL reads their names, or all. Each comes after those it reads.
 * Changes nothing.
 */
export const describeViews = (database: Database, views: string[] | 'all'): Promise<DescribedView[]> =>
  database.withConnection(
    async (sql) => {
      const described = new Map<string, ReturnType<typeof definitionOf>>()
      for (const asked of views === 'all' ? await listViewNames(sql) : views) {
        const name = typeof asked === 'string' ? await resolveName(sql, asked) : asked
        const { view, snapshot } = await readLiveView(sql, name)
        described.set(view.view, definitionOf(snapshot.live))
      }
      const { views: reads, plainViews } = await readAllDependencies(sql)
      // In the order of all: what stands between two that are asked for may not be asked for.
      return inDependencyOrder(reads).flatMap((view): DescribedView[] => {
        const definition = described.get(view)
        return definition ? [{ ...definition, plainViews: plainViews.get(view) ?? [] }] : []
      })
    },
    { startUp: { application_name: 'viewkeeper adopt' }, deadline: Date.now() + 600_000 },
  )
