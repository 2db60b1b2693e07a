import { uniqueIndexes } from '../../catalog/db/catalog.ts'
import { findLacking } from '../../catalog/db/read-obstacles.ts'
import { abilitiesQuery, type FoundObstacle, type ViewRights } from '../../catalog/plan/abilities.ts'
import { asked, impossible, type Requirement } from '../../catalog/plan/rights.ts'
import { findLogged, listCounting, readCounting, readHidden } from '../../record/definitions/discovered.ts'
import type { Uncounted } from '../../record/plan/watch.ts'
import type { Sql } from '../../server/database.ts'
import { whyNotKnown } from '../../slices/db/read-queries.ts'
import { batchPlaces, isView, literal, queryOfKept } from '../../sql/names.ts'
import type { ExaminedView } from '../diagnosis/cause.ts'

/** A view whose rights are looked at, and why it cannot be refreshed concurrently. */
export interface ViewToExamine {
  oid: number
  view: string
  schema: string
  name: string
  owner: string
  /** Of an incremental table, which no refresh exchanges: the plain view with its query, by OID. */
  query: number | null
  concurrent: string[]
}

/** Each view, without those that belong to an extension. Needs no right on any of them, and waits for no lock. */
export async function listExamined(sql: Sql): Promise<ViewToExamine[]> {
  const rows = await sql`
    select c.oid::int8 as oid, format('%I.%I', n.nspname, c.relname) as view, n.nspname as schema, c.relname as name,
           c.relowner::regrole::text as owner, case c.relkind when 'r' then ${sql.unsafe(queryOfKept('c.oid'))} end::int8 as query, c.relispopulated as populated, ${uniqueIndexes(sql)} as indexes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where ${sql.unsafe(isView('c'))} and c.relpersistence = 'p' and n.nspname !~ ${batchPlaces} and not exists (select from pg_catalog.pg_depend d
             where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
     order by 3, 4`
  return rows.map(({ populated, indexes, ...view }) => ({
    ...(view as Omit<ViewToExamine, 'concurrent'>),
    concurrent:
      view.query !== null ? [] : [...(populated ? [] : ['it is not populated']), ...flawsOf(indexes)],
  }))
}

const flawsOf = (indexes: { name: string; unusableBecause: string | null }[]): string[] =>
  indexes.some(({ unusableBecause }) => unusableBecause === null)
    ? []
    : [
        indexes.map(({ name, unusableBecause }) => `index ${name} ${unusableBecause}`).join('; ') ||
          'it has no unique index',
      ]

/** What `role` may do with views. `swap` is what a swap needs. */
export async function readViewRights(
  sql: Sql,
  views: (ViewToExamine & { swap: Requirement[] })[],
  role: string,
): Promise<ViewRights[]> {
  if (views.length === 0) return []
  const lacking = await findLacking(
    sql,
    views.flatMap(({ swap }) => swap),
    asked(literal(role), literal(role)),
  )
  const needs = views.map((view) => ({
    oid: view.oid,
    concurrent: view.concurrent.map(impossible),
    swap: view.swap.filter((each) => lacking.has(each)),
  }))
  const { query, rights } = abilitiesQuery(needs, role)
  const found = rights(await sql.unsafe<FoundObstacle[]>(query))
  return views.map(({ view, schema, name, owner }, at) => ({ view, schema, name, owner, ...found[at]! }))
}

/** The newest major version of PostgreSQL on which Viewkeeper was tried. */
const newest = 19

/** One sentence about a server (`server_version_num`) that is newer than any tried; null about any other. */
export function untried(versionNumber: number): string | null {
  const major = Math.floor(versionNumber / 10_000)
  return major <= newest
    ? null
    : `PostgreSQL ${major} is newer than any version on which this Viewkeeper was tried: it is treated as ${newest}.`
}

/** One sentence if the server is newer than any tried; else null. */
export async function readUntried(sql: Sql): Promise<string | null> {
  const [row] = await sql<
    [{ number: number }]
  >`select current_setting('server_version_num')::integer as number`
  return untried(row.number)
}

/**
 * What keeps refreshes of a view from being left out by the counters of its tables; null if nothing does, or if they are not
 * to be. Asks for one view, because it proves the view.
 */
export async function readUncounted(sql: Sql, definitionId: number): Promise<Uncounted | null> {
  const found = await readCounting(sql, definitionId)
  if (found === undefined) return null
  const { relation, ...row } = found
  const because = await whyNotKnown(sql, relation)
  const hidden = because === null && row.grant === null ? await readHidden(sql, definitionId) : null
  return { ...row, because, hidden }
}

/** Why a view's change log is not used, and what to type; null: it is, or there is none. What proves slices is loaded only for a view that has one. */
export async function readUnusedLog(sql: Sql, definitionId: number): Promise<ExaminedView['unusedLog']> {
  const view = await findLogged(sql, definitionId)
  return view === undefined ? null : (await import('../../slices/db/log.ts')).whyUnused(sql, view)
}

/** What keeps refreshes of these views from being left out by counters, as far as they are to be. */
export async function readAllUncounted(
  sql: Sql,
  views: Set<string>,
): Promise<{ view: string; uncounted: Uncounted }[]> {
  const found: { view: string; uncounted: Uncounted }[] = []
  for (const { id, view } of await listCounting(sql)) {
    const uncounted = views.has(view) ? await readUncounted(sql, id) : null
    if (uncounted !== null) found.push({ view, uncounted })
  }
  return found
}
