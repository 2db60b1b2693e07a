import { listViewNames } from '../catalog/db/catalog.ts'
import { isAsMighty, readSaidOwner, readWorker } from '../catalog/db/owner.ts'
import { readLivePlainView } from '../catalog/db/read-live-view.ts'
import type { ViewRights } from '../catalog/plan/abilities.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { definitionOf } from '../catalog/plan/differences.ts'
import type { LiveView } from '../catalog/plan/live-view.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { type DescribedPlainView, plainViewOf } from '../rebuild/plan/plain-view.ts'
import { readLiveView } from '../record/definitions/look.ts'
import { readWithPlainViews } from '../record/definitions/read-graph.ts'
import { resolveName } from '../run/name.ts'
import type { Database, Sql } from '../server/database.ts'
import { sqlstateOf } from '../server/failures.ts'
import { operatorsPath } from '../sql/settings.ts'
import { describeShadow, isSameQuery } from '../trial/db/read-shadow.ts'
import { examine } from '../watch/doctor.ts'

/** A live view as a definition, and what of the view a definition cannot express. */
export interface DescribedView {
  definition: Definition
  leftOut: string[]
  /** Why a migration would not make the view that is there, in words; null if it would, or if it could not be tried. */
  misread: string | null
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
      const described = new Map<string, Omit<DescribedView, 'rights'>>()
      for (const requested of views === 'all' ? await listViewNames(sql) : views) {
        const name = typeof requested === 'string' ? await resolveName(sql, requested) : requested
        const { view, snapshot } = await readLiveView(sql, name)
        const owner = await readSaidOwner(sql, snapshot.live.view.owner)
        const { definition, leftOut } = definitionOf(snapshot.live, owner)
        described.set(view.view, { ...(await readBack(sql, definition, snapshot.live)), leftOut })
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

/**
 * A definition that makes the same view where a migration reads it: with the search path that its query needs if words such as
 * `is distinct from` look up operators elsewhere than our login does.
 */
async function readBack(
  sql: Sql,
  definition: Definition,
  live: LiveView,
): Promise<Pick<DescribedView, 'definition' | 'misread'>> {
  const path = operatorsPath(live.view.path)
  const onPath = { ...definition, settings: { search_path: path } }
  let misread = ''
  for (const tried of path === '' ? [definition] : [definition, onPath])
    try {
      const shadow = await describeShadow(sql, { ...tried, comment: null, grants: [] }, live.view.owner)
      if (await isSameQuery(sql, shadow, live)) return { definition: tried, misread: null }
      misread = 'the server reads its own text of the query in another way'
    } catch (error) {
      if (!(error instanceof StatementRefused)) throw error
      const sqlstate = sqlstateOf(error.cause)
      if (untried.has(sqlstate)) return { definition, misread: null }
      misread = `the server cannot read its own text: ${error.message} (${sqlstate ?? 'no SQLSTATE'})`
    }
  return { definition, misread }
}

/** A right that is missing, which is told anyway, and a server that only reads. */
const untried = new Set<string | undefined>(['42501', '25006'])
