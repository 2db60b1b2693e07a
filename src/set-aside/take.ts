import type { Definition, ViewDefinition } from '../catalog/plan/definition.ts'
import { fixesOf, fixLines, reasonsOf } from '../catalog/plan/rights.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import { readAuthoredQueries } from '../record/definitions/authored.ts'
import { insistOnNoPause } from '../record/definitions/pauses.ts'
import type { Database, Sql } from '../server/database.ts'
import { mayPass, sqlstateOf } from '../server/failures.ts'
import { insistOnNoBackup } from '../server/standbys.ts'
import { queryViewOf, quoteName } from '../sql/names.ts'
import { describeShadow, isSameQuery } from '../trial/db/read-shadow.ts'
import { parseName } from '../words/names.ts'
import { Problem, sentences } from '../words/problem.ts'
import { areProvedAside } from './db/fillable.ts'
import { findTouched, type TouchedRelation } from './db/in-the-way.ts'
import { lockInTheWay, lookInTheWay } from './db/lock-hunt.ts'
import { type MakeAgain, makeAgain, proveReturn, takeAway } from './db/make-again.ts'
import type { WithoutReaders } from './db/own-sql.ts'
import { type AsideView, type InTheWay, readersOf, type Touched, tableOfQuery } from './plan/items.ts'

/** The longest time: filling big views may take hours. */
const longestMs = 86_400_000

/** Later locks are waited for briefly, because readers of the views wait meanwhile. */
const lockTimeoutMs = 10_000

/** Works on a connection whose statements may take hours. */
export const longSession = <T>(
  database: Database,
  name: string,
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  database.withConnection(work, {
    startUp: { application_name: name, statement_timeout: '0', lock_timeout: String(lockTimeoutMs) },
    deadline: Date.now() + longestMs,
    writes: true,
  })

/** How long the hunt for the locks goes on by default. */
const longestHuntMs = 600_000

/** Waits for locks until then (epoch milliseconds), and tells who holds them. */
export interface LockWaiting {
  until: number
  onWait?: ((holders: string) => void) | undefined
}

/**
 * Finds the relations that are touched, and those that the caller names. Refuses (InvalidRequest) a name that nothing has.
 */
export async function findRelations(
  sql: Sql,
  touched: Touched[],
  reading: string[],
): Promise<TouchedRelation[]> {
  const wanted = reading.map((name) => parseName(name, 'reading'))
  const named = await findTouched(sql, wanted.map(readersOf))
  const unknown = wanted.find((name) => !named.some((found) => found.touched.relation === name))
  if (unknown !== undefined) {
    throw new Problem(
      'InvalidRequest',
      `There is no table or view ${quoteName(unknown)} in this database. Correct the name.`,
      {
        field: 'reading',
      },
    )
  }
  return [...(await findTouched(sql, touched)), ...named]
}

/** Refuses (DependentsExist) what cannot be made again, by name, with the SQL that gives the rights that are missing. */
export function insistOnNoObstacle({ obstacles }: InTheWay): void {
  if (obstacles.length === 0) return
  const permanent = obstacles.filter(({ fix }) => fix === null)
  const fixable = obstacles.filter(({ fix }) => fix !== null)
  const told = sentences(
    permanent.length > 0 &&
      `What stands in the way cannot be made again: ${reasonsOf(permanent)}. Remove that by hand first`,
    fixable.length > 0 && `Rights are missing to make again what stands in the way: ${reasonsOf(fixable)}`,
    'Nothing was changed',
  )
  throw new Problem('DependentsExist', [told, ...fixLines(fixesOf(fixable))].join('\n'))
}

/** Refuses (Paused) to take away a paused view that has data: made again, it would show other ones. */
export const insistOnKeptData = (sql: Sql, { items }: Pick<InTheWay, 'items'>): Promise<void> =>
  insistOnNoPause(
    sql,
    items.flatMap(({ live: { view }, populated }) =>
      populated && view.kind === 'materialized view' ? [view] : [],
    ),
    'to be made again',
  )

/**
 * Locks what stands in the way, takes it away, and returns it; all in the transaction of the caller. That the items can be made again is
 * proved, as far as possible on placeholders before any lock is taken.
 */
export async function take(
  sql: Sql,
  relations: TouchedRelation[],
  waiting: LockWaiting,
): Promise<AsideView[]> {
  const seen = await lookInTheWay(sql, { relations, ...waiting })
  insistOnNoObstacle(seen)
  await insistOnKeptData(sql, seen)
  const isProved = seen.items.length === 0 || (await areProvedAside(sql, seen.items))
  const frozen = await readFrozen(sql, seen.items)
  const found = await lockInTheWay(sql, { relations, ...waiting })
  insistOnNoObstacle(found)
  const items = withFrozen(found.items, frozen)
  await takeAway(sql, items)
  if (!isProved || !areSame(seen.items, found.items)) await proveReturn(sql, items)
  return items
}

const areSame = (before: AsideView[], now: AsideView[]): boolean => {
  const facts = (items: AsideView[]) => JSON.stringify(items.map(({ live }) => live))
  return facts(before) === facts(now)
}

/** The frozen queries of views, by `viewKey`. */
type Frozen = Map<string, string>

/** Reads the frozen query of each view that has that query, as this server reads it now. Locks nothing. */
async function readFrozen(sql: Sql, items: AsideView[]): Promise<Frozen> {
  const frozen: Frozen = new Map()
  const queries = await readAuthoredQueries(
    sql,
    items.map(({ live }) => live.view),
  )
  for (const item of items) {
    const query = queries.get(quoteName(item.live.view))
    if (query !== undefined && (await hasQuery(sql, item, query))) frozen.set(viewKey(item), query)
  }
  return frozen
}

/** The items, each with the frozen query that was read for it as it is. */
const withFrozen = (items: AsideView[], frozen: Frozen): AsideView[] =>
  items.map((item) => {
    const query = frozen.get(viewKey(item))
    return query === undefined ? item : ({ ...item, frozen: query } as AsideView)
  })

const viewKey = ({ live: { view, columns } }: AsideView): string =>
  JSON.stringify([view.schema, view.name, view.definition, columns.map(({ name, type }) => [name, type])])

async function hasQuery(sql: Sql, { live }: AsideView, query: string): Promise<boolean> {
  const { schema, name, owner } = live.view
  const definition = { schema, name, sql: query, indexes: [], comment: null, grants: [] }
  try {
    const shadow = await describeShadow(sql, definition, owner)
    const columns = (of: typeof live) =>
      JSON.stringify(of.columns.map((column) => [column.name, column.type]))
    return columns(shadow) === columns(live) && (await isSameQuery(sql, shadow, live))
  } catch (error) {
    if (!(error instanceof StatementRefused) || mayPass(sqlstateOf(error.cause))) throw error
    return false
  }
}

/** How own SQL has views made again. */
export type MakingOptions = Pick<MakeAgain, 'withData' | 'madeBy'>

/** Takes away what reads some relations before own SQL, and makes it again after, in the same transaction. */
export const withoutReaders =
  (reading: string[], { withData, madeBy }: MakingOptions): WithoutReaders =>
  async (sql, work) => {
    const relations = await findRelations(sql, [], reading)
    const items = await take(sql, relations, { until: Date.now() + longestHuntMs })
    await work()
    await makeAgain(sql, items, {
      withData,
      madeBy,
      given: [],
      advice: 'The database is as it was before this migration',
    })
    if (items.length > 0) await insistOnNoBackup(sql)
  }

/** A definition as that of the item which it changes: of an incremental table that is its query. */
export const ofItem = (definition: Definition): Definition =>
  definition.storage === 'table' ? { ...definition, ...queryViewOf(definition) } : definition

/** Refuses (InvalidRequest) a definition of a view that is not among the items: it would be ignored. */
export function insistOnKnown(given: ViewDefinition[], items: AsideView[]): void {
  const unknown = given.find(
    ({ schema, name }) =>
      !items.some(
        (item) =>
          (item.live.view.kind === 'materialized view' || tableOfQuery(item.live.view) !== undefined) &&
          item.live.view.schema === schema &&
          item.live.view.name === name,
      ),
  )
  if (unknown !== undefined) {
    throw new Problem(
      'InvalidRequest',
      `--with: ${unknown.schema}.${unknown.name} is no materialized view, or query of an incremental table, that is made again. Leave its definition out.`,
      { field: '--with' },
    )
  }
}
