import { listViewNames } from '../catalog/db/catalog.ts'
import { readWithPlainViews } from '../catalog/db/graph.ts'
import { readLivePlainView } from '../catalog/db/live-view.ts'
import { readLiveView } from '../catalog/db/look.ts'
import { isAsMighty, readSaidOwner } from '../catalog/db/owner.ts'
import { readWorker } from '../catalog/db/rights.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { definitionOf } from '../catalog/plan/describe.ts'
import type { ViewRights } from '../catalog/plan/obstacles.ts'
import { type DescribedPlainView, plainViewOf } from '../rebuild/plan/plain-view.ts'
import { resolveName } from '../run/name.ts'
import type { Database } from '../server/connect.ts'
import { examine } from './doctor.ts'

/** A live view as a definition, and what of the view a definition cannot express. */
export interface DescribedView {
  definition: Definition
  leftOut: string[]
  /** What Viewkeeper may do with the view. */
  rights: ViewRights
}

/** A view as a definition, or a plain view as own SQL. */
export type Described = DescribedView | DescribedPlainView

/** Whether a view is a materialized one. */
export const isDefined = (described: Described): described is DescribedView => 'definition' in described

/**
 * Describes live views as definitions: the named ones, by names as in SQL, or all; and as own SQL the plain views that they
 * read, or that read only them. Each comes after what it reads. Changes nothing.
 */
export const describeViews = (database: Database, views: string[] | 'all'): Promise<Described[]> =>
  database.withConnection(
    async (sql) => {
      const described = new Map<string, ReturnType<typeof definitionOf>>()
      for (const requested of views === 'all' ? await listViewNames(sql) : views) {
        const name = typeof requested === 'string' ? await resolveName(sql, requested) : requested
        const { view, snapshot } = await readLiveView(sql, name)
        const owner = await readSaidOwner(sql, snapshot.live.view.owner)
        described.set(view.view, definitionOf(snapshot.live, owner))
      }
      const found = await examine(sql, await readWorker(sql), ({ view }) => described.has(view))
      const rights = new Map(found.views.map((each) => [each.view, each]))
      const all: Described[] = []
      for (const view of await readWithPlainViews(sql, new Set(described.keys()))) {
        const definition = described.get(view)
        const may = rights.get(view)
        const live = definition === undefined ? await readLivePlainView(sql, view) : undefined
        if (definition !== undefined && may !== undefined) all.push({ ...definition, rights: may })
        if (live !== undefined) {
          const { owner } = live.view
          all.push(plainViewOf(live, await readSaidOwner(sql, owner), await isAsMighty(sql, owner)))
        }
      }
      return all
    },
    { startUp: { application_name: 'viewkeeper adopt' }, deadline: Date.now() + 600_000 },
  )
