import type { Sql } from '../server/connect.ts'
import { readQueries } from './db/read-queries.ts'
import { type Proof, proveSlices } from './plan/prove.ts'

/** By what a view could be filled in part. */
export interface ViewSlices {
  view: string
  /** Why by no table at all; otherwise null. */
  because: string | null
  /** The tables that it reads. */
  tables: ({ table: string } & Proof)[]
}

/** Finds by which columns views fall into slices of their tables. */
export async function readSlices(sql: Sql, views: { oid: number; view: string }[]): Promise<ViewSlices[]> {
  const read = await readQueries(
    sql,
    views.map(({ oid }) => oid),
  )
  return views.flatMap(({ oid, view }) => {
    const found = read.views.get(oid)
    if (found === undefined) return []
    const tables = found.because === null ? found.tables : []
    return {
      view,
      because: found.because ?? (tables.length === 0 ? 'it reads no table' : null),
      tables: tables
        .map((table) => ({
          table: read.facts.relations.get(table)!.name,
          ...proveSlices(found, table, read.facts),
        }))
        .sort((one, other) => other.slices.length - one.slices.length || (one.table < other.table ? -1 : 1)),
    }
  })
}
