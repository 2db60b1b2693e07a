import { listViewNames } from '../catalog/db/catalog.ts'
import { readWriters } from '../catalog/db/writers.ts'
import { assumedShadow, type ReadQuery } from '../catalog/plan/assumed-shadow.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import {
  type Difference,
  type DifferenceKind,
  liveDifferences,
  notCompared,
  ownerDifferences,
} from '../catalog/plan/differences.ts'
import { unknownDependencies } from '../catalog/plan/graph.ts'
import type { LiveView, ViewFacts } from '../catalog/plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../catalog/plan/obstacles.ts'
import { readable } from '../catalog/plan/server-sql.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { queryOf } from '../rebuild/plan/create.ts'
import { findKnown, readLiveView, sinceAside } from '../record/definitions/look.ts'
import { listReadableNames } from '../record/definitions/read-graph.ts'
import type { Database, Sql } from '../server/database.ts'
import { problemOf, sqlstateOf } from '../server/failures.ts'
import { readFix, readMissingRights } from '../server/own-rights.ts'
import { takeRolePath, takeSafePath, undone } from '../server/transactions.ts'
import { readLog, unchecked } from '../slices/slices.ts'
import { liveMark, liveViewOf, quoteName } from '../sql/names.ts'
import { type Authored, readShadow, takePath } from '../trial/db/read-shadow.ts'
import { newLog } from '../words/commands.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'

const longestMs = 600_000
/** How long a check waits for the end of a refresh that locks a view. */
const longestWaitMs = 20_000

/**
 * Compares definitions with the live views, and returns every difference. The same server writes out both
 * sides. A view without a definition is a difference too. Changes nothing: the shadows that it makes to compare
 * with are rolled back.
 */
export const readDrift = (database: Database, definitions: Definition[]): Promise<Difference[]> =>
  database.withConnection(
    async (sql) => {
      const differences: Difference[] = []
      for (const definition of definitions) differences.push(...(await checkOrSay(sql, definition)))
      const managed = new Set(definitions.map(displayName))
      const unmanaged = (await listViewNames(sql)).map(displayName).filter((view) => !managed.has(view))
      const writers = await readWriters(sql)
      const unknown = unknownDependencies(definitions, [...definitions, ...(await listReadableNames(sql))])
      return [
        ...differences,
        ...unknown.map((each) =>
          difference(displayName(each.definition), 'dependsOn', `its dependsOn ${each.message}`),
        ),
        ...unmanaged.map((view) => difference(view, 'unmanaged', 'nobody has authored it')),
        ...writers.flatMap(({ text, next, schema, name }) =>
          name === null ? [] : difference(displayName({ schema, name }), 'grant', `${text} Type: ${next}`),
        ),
      ]
    },
    { startUp: { application_name: 'viewkeeper drift' }, deadline: Date.now() + longestMs },
  )

const difference = (view: string, kind: DifferenceKind, message: string): Difference => ({
  view,
  kind,
  message,
})

/** Compares one view. A view that we may not look at is a difference, and does not stop the check. */
async function checkOrSay(sql: Sql, definition: Definition): Promise<Difference[]> {
  try {
    return await checkView(sql, definition)
  } catch (error) {
    const problem = problemOf(error)
    if (!(problem instanceof Problem)) throw error
    if (problem.code === 'UnknownView')
      return [difference(displayName(definition), 'missing', problem.message)]
    if (problem.code !== 'InsufficientPrivilege') throw error
    return [difference(displayName(definition), 'unreadable', `it cannot be compared: ${problem.message}`)]
  }
}

async function checkView(sql: Sql, definition: Definition): Promise<Difference[]> {
  const name = displayName(definition)
  if ((await findKnown(sql, definition)) === undefined) {
    const aside = await sinceAside(sql, definition)
    return [difference(name, 'missing', `it is not in this database${aside === '' ? '' : `. ${aside}`}`)]
  }
  const { view, snapshot } = await readLiveView(sql, definition, { until: Date.now() + longestWaitMs })
  const { live } = snapshot
  const ofOwner = ownerDifferences(live, definition.owner)
  if (!view.mayActAsOwner && !(await onlyReads(sql))) {
    const missing = await readMissingRights(sql, hintsQueryOf(hintsOn(view, 'act')))
    return [...ofOwner, difference(name, 'unreadable', notCompared(live.view.owner, missing))]
  }
  const { kind } = live.view
  if (kind !== definition.storage)
    return [
      ...ofOwner,
      difference(name, 'query', `its storage is "${kind}", and frozen as "${definition.storage}"`),
    ]
  return [
    ...ofOwner,
    ...(view.populated ? [] : [difference(name, 'unpopulated', 'it holds no data yet: refresh it')]),
    ...(await (view.mayActAsOwner ? compare : compareQuery)(sql, definition, live)),
    ...(await compareLog(sql, definition, view)),
  ]
}

/** Compares the change log with the one that the slices of a definition need. */
async function compareLog(
  sql: Sql,
  { slices, ...definition }: Definition,
  view: ViewFacts,
): Promise<Difference[]> {
  if (slices === null) return []
  const { log, because, next } = await readLog(sql, view, slices.by)
  const live = liveViewOf(view)
  if (slices.live && because === null && !(await isLive(sql, live)))
    return [
      difference(
        displayName(definition),
        'log',
        `its live view ${displayName(live)} is not there, or somebody has made another one. To make it and the log anew: npx ${newLog(displayName(definition))}`,
      ),
    ]
  if (because === null && log?.exact !== null) return []
  if (because === null)
    return [difference(displayName(definition), 'unchecked', `it has a change log: ${unchecked}`)]
  const words = because ?? 'there is no log'
  return [
    difference(
      displayName(definition),
      'log',
      `its changes are not logged as its slices need: ${words}${next ? '' : `. To make the log anew: npx ${newLog(displayName(definition))}`}`,
    ),
  ]
}

/** Whether a live view is there, by its comment. */
const isLive = async (sql: Sql, live: QualifiedName): Promise<boolean> => {
  const found = await sql`
    select from pg_catalog.pg_class c where c.oid = to_regclass(${quoteName(live)}) and c.relkind = 'v' and obj_description(c.oid, 'pg_class') = ${liveMark}`
  return found.length > 0
}

/** Compares a view without making a shadow of it, as far as a login that only reads can. */
async function compareQuery(sql: Sql, definition: Definition, live: LiveView): Promise<Difference[]> {
  try {
    const query = await readQuery(sql, definition)
    return liveDifferences(live, assumedShadow(live, definition, query))
  } catch (error) {
    const problem = problemOf(error, await readFix(sql, error))
    const why = `it cannot be compared: ${problem instanceof Error ? problem.message : 'the server refused its query'}`
    return [difference(displayName(definition), 'unreadable', why)]
  }
}

async function compare(sql: Sql, definition: Definition, live: LiveView): Promise<Difference[]> {
  try {
    return liveDifferences(live, await readShadow(sql, definition, live.view.owner, live))
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error
    if (sqlstateOf(error.cause) === '42501') throw problemOf(error.cause, error.missing)
    const moved = await findMovedExtension(sql, definition.sql)
    const fix =
      moved === null
        ? ''
        : `. Extension ${moved.extension} is in schema ${moved.schema} here, and the SQL names ${moved.named}: write ${moved.schema} in the ` +
          `view's file and freeze, or alter extension ${moved.extension} set schema ${moved.named}`
    return [
      difference(
        displayName(definition),
        'query',
        `its frozen SQL does not run here: ${error.message}${fix}`,
      ),
    ]
  }
}

/**
 * Whether the login may write nothing of Viewkeeper's. Only such a login may parse somebody's SQL as itself:
 * parsing can execute the code of others, such as the check of a domain.
 */
async function onlyReads(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ only: boolean }[]>`
    select not exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'viewkeeper' and c.relkind = 'r'
         and (pg_has_role(c.relowner, 'MEMBER') or has_table_privilege(c.oid, 'insert, update, delete'))) as only`
  return row?.only ?? false
}

/**
 * How this server writes a definition's query, and the columns. A temporary view of the query is made and undone, which takes
 * no right on what the query reads.
 */
const readQuery = (sql: Sql, definition: Authored): Promise<ReadQuery> =>
  undone(sql, async (part) => {
    const name = 'pg_temp.viewkeeper_0'
    await takePath(part, definition)
    await takeRolePath(part, { local: true })
    await part.unsafe(`create temporary view ${name} as\n${queryOf(definition.sql)}`)
    await takeSafePath(part, { local: true })
    const [row] = await part<ReadQuery[]>`
      select rtrim(pg_get_viewdef(${name}::regclass), ';') as definition,
             (select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                from pg_catalog.pg_attribute a where a.attrelid = ${name}::regclass and a.attnum > 0) as columns`
    const { definition: query, columns } = row as ReadQuery
    return { definition: readable(query), columns }
  })

/** An extension whose functions, operators or types a query names in a schema where the extension is not. */
interface MovedExtension {
  extension: string
  /** The schema that the query names, and the one that the extension is in, as SQL writes them. */
  named: string
  schema: string
}

/** The extension that a query does not find because it was moved to another schema (`alter extension … set schema`); null: none. */
async function findMovedExtension(sql: Sql, query: string): Promise<MovedExtension | null> {
  const [moved] = await sql<MovedExtension[]>`
    select x.extname as extension, quote_ident(named.schema) as named, x.extnamespace::regnamespace::text as schema
      from pg_catalog.pg_extension x
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_extension'::regclass and d.refobjid = x.oid and d.deptype = 'e'
      left join pg_catalog.pg_proc p on d.classid = 'pg_catalog.pg_proc'::regclass and p.oid = d.objid
      left join pg_catalog.pg_type t on d.classid = 'pg_catalog.pg_type'::regclass and t.oid = d.objid
     cross join lateral regexp_matches(${query}, '(\\w+)"?\\."?' || coalesce(p.proname, t.typname) || '\\M', 'gi') as found
     cross join lateral (select found[1] as schema) named
     where coalesce(p.proname, t.typname) ~ '^\\w+$' and named.schema <> x.extnamespace::regnamespace::text
       and case when t.typname is null then to_regproc(quote_ident(named.schema) || '.' || quote_ident(p.proname)) is null
                else to_regtype(quote_ident(named.schema) || '.' || quote_ident(t.typname)) is null end
     limit 1`
  return moved ?? null
}
