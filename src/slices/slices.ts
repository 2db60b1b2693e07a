import type { Sql } from '../server/connect.ts'
import { readQueries } from './db/read-queries.ts'
import { type Proof, proveSlices } from './plan/prove.ts'
import { shownBy } from './plan/shown.ts'

/** By what a view could be filled in part. */
export interface ViewSlices {
  view: string
  /** Why by no table at all; otherwise null. */
  because: string | null
  /** The tables that it reads. */
  tables: ({ table: string } & Proof)[]
}

/** A plain view that a materialized view shows as it is: each of its columns, in its order, with the name that it has above. */
export interface Shown {
  oid: number
  view: string
  columns: { name: string; above: string }[]
}

/** Finds by which columns views fall into slices of their tables. */
export async function readSlices(sql: Sql, views: { oid: number; view: string }[]): Promise<ViewSlices[]> {
  const read = await readQueries(
    sql,
    views.map(({ oid }) => oid),
  )
  return views.flatMap((view) => slicesOf(read, view) ?? [])
}

/** The same of one view, and the plain view that it shows as it is; null: it shows none. Undefined: it is gone. */
export async function readSlicing(
  sql: Sql,
  view: { oid: number; view: string },
): Promise<{ slices: ViewSlices; columns: string[]; shown: Shown | null } | undefined> {
  const read = await readQueries(sql, [view.oid])
  const slices = slicesOf(read, view)
  const found = read.views.get(view.oid)
  if (slices === undefined || found === undefined) return undefined
  const columns = [...found.columns.values()]
  const shows = shownBy(found.query)
  const relation = shows && read.facts.relations.get(shows.relation)
  if (relation?.kind !== 'v') return { slices, columns, shown: null }
  const shown = [...relation.columns].map(([at, name]) => ({
    name,
    above: found.columns.get(shows?.columns.get(at) ?? 0),
  }))
  return {
    slices,
    columns,
    shown: shown.every((each): each is Shown['columns'][0] => each.above !== undefined)
      ? { oid: shows!.relation, view: relation.name, columns: shown }
      : null,
  }
}

function slicesOf(
  { views, facts }: Awaited<ReturnType<typeof readQueries>>,
  { oid, view }: { oid: number; view: string },
): ViewSlices | undefined {
  const found = views.get(oid)
  if (found === undefined) return undefined
  const tables = found.because === null ? found.tables : []
  return {
    view,
    because: found.because ?? (tables.length === 0 ? 'it reads no table' : null),
    tables: tables
      .map((table) => ({ table: facts.relations.get(table)!.name, ...proveSlices(found, table, facts) }))
      .sort((one, other) => other.slices.length - one.slices.length || (one.table < other.table ? -1 : 1)),
  }
}
