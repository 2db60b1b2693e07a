import { setTimeout as pause } from 'node:timers/promises'
import { findView, listViewNames, roleSchemas } from '../../catalog/db/catalog.ts'
import { dependentsOf, type ViewFacts, type ViewSnapshot } from '../../catalog/plan/live-view.ts'
import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { lookAgain } from '../../server/transactions.ts'
import { type Holders, holdersOf, withItsQuery } from '../../sql/holders.ts'
import { batchPlaces, keptMark, literal, quoteName } from '../../sql/names.ts'
import type { RunPlan } from '../../sql/run-plan.ts'
import { didYouMean, displayName, type QualifiedName, type ViewName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** The id of the view's running run. Without `exchanges`, one that exchanges a shadow of a batch does not count. */
export async function findRunningRun(
  sql: Sql,
  { schema, name }: QualifiedName,
  exchanges = true,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs
     where schema_name = ${schema} and view_name = ${name} and status = 'running' and (${exchanges} or built_at is null)`
  return row?.id
}

/** How long to look at a view that somebody has locked exclusively. */
export interface Patience {
  /** Looks again until this time (epoch milliseconds). Default: one look. */
  until?: number
  /** `skip`: if a run of the view is running, gives up after the first look. Default: `wait`. */
  ifRunning?: RunPlan['ifRunning']
}

/** The time between two looks at something locked. */
export const pauseMs = 250

/**
 * Reads the facts of a view and, if `isWanted`, the snapshot of the same relation. While somebody has an exclusive lock on the view
 * or on a relation that it reads, looks again, as `patience` says; then throws AlreadyRunning if a run of the view is running, else
 * LockTimeout, which names the holder. Throws UnknownView if the view is gone. `seen`: facts that the caller has just read, for
 * the first look.
 */
export async function lookAtView(
  sql: Sql,
  name: QualifiedName,
  isWanted: (view: ViewFacts) => boolean,
  patience: Patience = {},
  seen?: ViewFacts,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot | null }> {
  let first = seen
  return untilUnlocked(sql, name, patience, async () => {
    const { view, snapshot } = await lookAgain(async () => {
      const view = first ?? (await readView(sql, name))
      first = undefined
      const snapshot = isWanted(view)
        ? await (await import('../../catalog/db/read-live-view.ts')).readSnapshot(
            sql,
            view.oid,
            view.query !== null,
          )
        : null
      return snapshot === 'gone' ? snapshot : { view, snapshot }
    })
    return snapshot === 'locked' ? null : { view, snapshot }
  })
}

/**
 * Calls `look` until it returns something else than null, which means that a lock is in its way. When `patience` ends, throws
 * AlreadyRunning or LockTimeout, like `lookAtView`.
 */
export async function untilUnlocked<T>(
  sql: Sql,
  name: QualifiedName,
  { until = 0, ifRunning = 'wait' }: Patience,
  look: () => Promise<T | null>,
): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== null) return found
    const over = Date.now() >= until
    const runningRunId = over || ifRunning === 'skip' ? await findRunningRun(sql, name) : undefined
    if (runningRunId !== undefined) throw alreadyRunning(displayName(name), runningRunId)
    if (over) throw await lockTimeout(sql, name)
    await pause(pauseMs)
  }
}

/** Reads the facts and the snapshot of a view, like `lookAtView`. */
export async function readLiveView(
  sql: Sql,
  name: QualifiedName,
  patience?: Patience,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot }> {
  return (await lookAtView(sql, name, () => true, patience)) as { view: ViewFacts; snapshot: ViewSnapshot }
}

/** Reads `dependentsOf` a view. */
export async function readDependents(sql: Sql, name: QualifiedName, patience?: Patience): Promise<string[]> {
  return dependentsOf((await readLiveView(sql, name, patience)).snapshot.live)
}

export const alreadyRunning = (view: string, runningRunId: number): Problem =>
  new Problem('AlreadyRunning', `Run ${runningRunId} of ${view} is still running.`, { runningRunId })

async function lockTimeout(sql: Sql, view: QualifiedName): Promise<Problem> {
  const [row] = await sql.unsafe<{ holders: Holders | null }[]>(
    `select h as holders from (${holdersOf(withItsQuery(`to_regclass(${literal(quoteName(view))})`), 'AccessShareLock')}) as x(h)`,
  )
  const { who, advice } = row?.holders ?? { who: 'a lock kept it from being read', advice: 'Try again.' }
  return new Problem('LockTimeout', `${displayName(view)} is locked: ${who}. ${advice}`)
}

/** SQL for the name of the view that is set aside with `item`: with the query of an incremental table, the table's. */
export const nameAside = `left(item #>> '{live,view,name}', case item #>> '{live,view,comment}' when '${keptMark}' then -6 else 63 end)`

/** A view that is set aside, since when (UTC), and `by` which role, as SQL writes it. */
interface AsideSince extends QualifiedName {
  since: string
  by: string
}

/**
 * The views that are set aside, by name; none if the login may not read table `set_aside`, or schema `viewkeeper` is too old to have it.
 */
export const listAside = async (sql: Sql): Promise<AsideSince[]> =>
  (await mayUse(sql, 'select', 'set_aside'))
    ? sql<AsideSince[]>`
        select item #>> '{live,view,schema}' as schema, ${sql.unsafe(nameAside)} as name, 
               to_char(set_aside_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as since, quote_ident(set_aside_by) as by
          from viewkeeper.set_aside where kind = 'view' order by 1, 2`
    : []

/** Reads the facts of a view. Throws UnknownView if no view has the name. */
export async function readView(sql: Sql, name: QualifiedName): Promise<ViewFacts> {
  const view = await findKnown(sql, name)
  if (view === undefined) throw await unknownView(sql, name)
  return view
}

/**
 * As findView, which refuses a table: an incremental table whose query is set aside or dropped is refused with that. One whose query has lost its comment is on
 * record, and gets it back.
 */
export const findKnown = (sql: Sql, name: QualifiedName): Promise<ViewFacts | undefined> =>
  findView(sql, name).catch(async (error) => {
    const { markAgain, mayMark } = await import('./kept-marks.ts')
    if ((await mayMark(sql)) && (await markAgain(sql, name))) return findView(sql, name)
    throw await unknownView(sql, name, error)
  })

/** A sentence on a view that is set aside: since when, by whom, and what to type. Empty if it is not set aside. */
export async function sinceAside(sql: Sql, { schema, name }: QualifiedName): Promise<string> {
  const found = (await listAside(sql)).find((each) => each.schema === schema && each.name === name)
  return found
    ? `It has been set aside since ${found.since} UTC by role ${found.by}: npx viewkeeper put-back makes it again.`
    : ''
}

/**
 * The refusal of a view that does not exist: says that it is set aside, or authored and gone, or else which view was probably
 * meant. `refused`: what is said of something else that has the name.
 */
export async function unknownView(sql: Sql, name: QualifiedName, refused?: unknown): Promise<unknown> {
  if (refused !== undefined && !(refused instanceof Problem && refused.code === 'UnknownView')) return refused
  const unmarked = refused && (await (await import('./kept-marks.ts')).sinceUnmarked(sql, name))
  if (unmarked) return new Problem('UnknownView', unmarked, { field: 'view' })
  const aside = await sinceAside(sql, name)
  const gone = aside === '' ? await (await import('../runs/went-wrong.ts')).sinceGone(sql, name) : null
  if (gone !== null)
    return new Problem('UnknownView', gone, { field: 'view', next: 'viewkeeper migrate up --repair' })
  if (refused !== undefined && aside === '') return refused
  const more = aside === '' ? didYouMean(name, await listViewNames(sql)) : ` ${aside}`
  const what = refused
    ? `${displayName(name)} has its rows, but not its query.`
    : `There is no materialized view ${name.schema}.${name.name} in this database.`
  return new Problem('UnknownView', `${what}${more}`, { field: 'view' })
}

/** The names of these definitions, in the order of the ids. Throws UnknownView, naming `field`, for the first unknown id. */
export async function readNamesOf(
  sql: Sql,
  definitionIds: number[],
  field = 'view',
): Promise<QualifiedName[]> {
  if (definitionIds.length === 0) return []
  const rows = await sql<(QualifiedName & { id: number })[]>`
    select id, schema_name as schema, name from viewkeeper.definitions
     where id in (select value::bigint from jsonb_array_elements_text(${sql.json(definitionIds)}))`
  const names = new Map(rows.map(({ id, schema, name }) => [id, { schema, name }]))
  return definitionIds.map((id) => {
    const name = names.get(id)
    if (name === undefined) throw new Problem('UnknownView', `There is no view with id ${id}.`, { field })
    return name
  })
}

/**
 * Finds the schema of each name that has none. The first of these that exists decides: a relation on the search path of our role, a
 * definition in a schema of that path, the only view or definition of the name anywhere, the schema where our role creates.
 */
export async function qualify(sql: Sql, names: ViewName[]): Promise<QualifiedName[]> {
  const bare = new Set(names.flatMap(({ schema, name }) => (schema === null ? [name] : [])))
  const found = bare.size === 0 ? new Map<string, string>() : await findSchemas(sql, [...bare])
  return names.map(({ schema, name }) => ({ schema: schema ?? found.get(name) ?? 'public', name }))
}

async function findSchemas(sql: Sql, names: string[]): Promise<Map<string, string | null>> {
  const rows = await sql<{ name: string; schema: string | null }[]>`
    with role as materialized (${roleSchemas(sql)}),
    path as (select p.* from role, json_array_elements_text(role.schemas) with ordinality as p(schema, at))
    select a.name, coalesce(
      (select p.schema
         from path p join pg_catalog.pg_namespace n on n.nspname = p.schema
         join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = a.name
        order by p.at limit 1),
      (select d.schema_name from viewkeeper.definitions d join path p on p.schema = d.schema_name
        where d.name = a.name and d.removed_at is null order by p.at limit 1),
      (select min(s.schema) from (
         select n.nspname::text as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'm' and c.relpersistence <> 't' and c.relname = a.name and n.nspname !~ ${batchPlaces}
         union select d.schema_name from viewkeeper.definitions d where d.name = a.name and d.removed_at is null) s having count(*) = 1),
      (select creation from role)) as schema
      from jsonb_array_elements_text(${sql.json(names)}) as a(name)`
  return new Map(rows.map(({ name, schema }) => [name, schema]))
}
