import { listViewNames, readView } from '../db/catalog.ts'
import type { Database } from '../db/connect.ts'
import { readSwapBasis } from '../db/swap-facts.ts'
import type { Definition } from '../plan/definition.ts'
import { definitionOf } from '../plan/describe.ts'
import { Problem } from '../problem.ts'
import { resolveName } from './name.ts'

/** A live view as a definition, and what of it a definition cannot say. */
export interface DescribedView {
  definition: Definition
  leftOut: string[]
}

/** Writes live views down as definitions: those named, as SQL reads their names, or all. Changes nothing. */
export const describeViews = (database: Database, views: string[] | 'all'): Promise<DescribedView[]> =>
  database.withConnection(
    async (sql) => {
      const described: DescribedView[] = []
      for (const asked of views === 'all' ? await listViewNames(sql) : views) {
        const name = typeof asked === 'string' ? await resolveName(sql, asked) : asked
        const { oid, view } = await readView(sql, name)
        const basis = await readSwapBasis(sql, oid)
        if (typeof basis === 'string') {
          throw new Problem(
            'LockTimeout',
            `${view} is being refreshed, and cannot be described meanwhile. Try again when that is done.`,
          )
        }
        described.push(definitionOf(basis.facts))
      }
      return described
    },
    { startUp: { application_name: 'viewkeeper adopt' }, deadline: Date.now() + 600_000 },
  )
