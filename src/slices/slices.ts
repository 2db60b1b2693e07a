import type { Sql } from '../server/database.ts'
import { type JoinedTable, type LoggedView, readLoggability } from './db/log.ts'
import { readQueries } from './db/read-queries.ts'
import { type Proof, proveSlices } from './plan/prove.ts'

export { readLogged } from './db/kept.ts'
export { planLog, readLog, readLogNote, unchecked, whyNoLog } from './db/log.ts'
export { joinsOf } from './plan/log.ts'

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
  return views.flatMap((view) => slicesOf(read, view) ?? [])
}

/** By what a view could be filled in part; why it may have no change log: by none of these columns, or by some; and what a change of a joined table touches. */
export interface LoggableView extends ViewSlices {
  tables: (ViewSlices['tables'][number] & { joined?: JoinedTable | undefined })[]
  noLog: string[]
}

/** The same with what is said of logs. */
export async function readLoggableViews(
  sql: Sql,
  views: ({ view: string } & LoggedView)[],
): Promise<LoggableView[]> {
  const found: LoggableView[] = []
  const queries = views.map(({ oid, query, view }) => ({ oid: query ?? oid, view }))
  for (const slices of await readSlices(sql, queries)) {
    const falls = slices.tables.some(({ because }) => because === null)
    const view = views.find(({ view }) => view === slices.view)!
    const { noLog, joined } = falls ? await readLoggability(sql, view) : { noLog: [], joined: null }
    const tables = slices.tables.map((each) => ({ ...each, joined: joined?.get(each.table) }))
    found.push({ ...slices, tables, noLog })
  }
  return found
}

/** The same of one view, with its columns. Undefined: it is gone. */
export async function readSlicing(
  sql: Sql,
  view: { oid: number; view: string },
): Promise<{ slices: ViewSlices; columns: string[] } | undefined> {
  const read = await readQueries(sql, [view.oid])
  const slices = slicesOf(read, view)
  const found = read.views.get(view.oid)
  if (slices === undefined || found === undefined) return undefined
  return { slices, columns: [...found.columns.values()] }
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
    because: found.because ?? (tables.length === 0 ? found.instead : null),
    tables: tables
      .map((id) => ({ table: facts.relations.get(id)!.name, ...proveSlices(found, id, facts) }))
      .sort((one, other) => other.slices.length - one.slices.length || (one.table < other.table ? -1 : 1)),
  }
}
