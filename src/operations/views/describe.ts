import type { Database } from '../../db/server/connect.ts'
import { listViewNames } from '../../db/views/catalog.ts'
import { readAllDependencies } from '../../db/views/graph.ts'
import { readLiveView } from '../../db/views/look.ts'
import { readSaidOwner } from '../../db/views/owner.ts'
import type { Definition } from '../../plan/views/definition.ts'
import { definitionOf } from '../../plan/views/describe.ts'
import { inDependencyOrder } from '../../plan/views/graph.ts'
import { resolveName } from '../runs/name.ts'

/** A live view as a definition, and what of the view a definition cannot express. */
export interface DescribedView {
  definition: Definition
  leftOut: string[]
  /** The plain views that the view reads through. */
  plainViews: string[]
}

/**
 * Describes live views as definitions: the named ones, by names as in SQL, or all. Each view comes after the
 * views it reads. Changes nothing.
 */
export const describeViews = (database: Database, views: string[] | 'all'): Promise<DescribedView[]> =>
  database.withConnection(
    async (sql) => {
      const described = new Map<string, ReturnType<typeof definitionOf>>()
      for (const requested of views === 'all' ? await listViewNames(sql) : views) {
        const name = typeof requested === 'string' ? await resolveName(sql, requested) : requested
        const { view, snapshot } = await readLiveView(sql, name)
        const owner = await readSaidOwner(sql, snapshot.live.view.owner)
        described.set(view.view, definitionOf(snapshot.live, owner))
      }
      const { views: reads, plainViews } = await readAllDependencies(sql)
      // All views are ordered: one requested view may read another through a view that was not requested.
      return inDependencyOrder(reads).flatMap((view): DescribedView[] => {
        const definition = described.get(view)
        return definition ? [{ ...definition, plainViews: plainViews.get(view) ?? [] }] : []
      })
    },
    { startUp: { application_name: 'viewkeeper adopt' }, deadline: Date.now() + 600_000 },
  )
