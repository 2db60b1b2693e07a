import { inPlaceOf } from '../../plan/acting.ts'
import { lost } from '../../plan/aside/compare.ts'
import { dropStatements } from '../../plan/aside/drop.ts'
import {
  type AsideFunction,
  type AsideItem,
  type AsideView,
  describeItem,
  isView,
} from '../../plan/aside/items.ts'
import {
  adorn,
  type Making,
  makeAttached,
  makeFrom,
  makeFunction,
  makePolicy,
  makeView,
} from '../../plan/aside/make.ts'
import { displayName, literal, type QualifiedName, quoteName } from '../../plan/names.ts'
import type { Statement } from '../../plan/plan.ts'
import { fill } from '../../plan/runs/create.ts'
import { setting } from '../../plan/runs/locks.ts'
import { uniqueIndexes } from '../../plan/runs/unique-indexes.ts'
import type { ViewDefinition } from '../../plan/views/definition.ts'
import type { LiveView } from '../../plan/views/live-view.ts'
import { liveViewQuery } from '../../plan/views/live-view-query.ts'
import { Problem, sentences } from '../../problem.ts'
import { executeStatements, StatementRefused } from '../runs/statements.ts'
import { type Sql, withSavepoint } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { standardText } from '../server/sqlstate.ts'
import { readFunction } from './in-the-way.ts'

/** How views are made again. */
export interface MakeAgain {
  /** Whether views that had data are filled. */
  withData: boolean
  /** Definitions that take the place of the old ones. */
  given: ViewDefinition[]
  /** What to do if a view cannot be made: the end of the message. */
  advice: string
  /** Called when a view is being filled. */
  onFill?: ((view: string) => void) | undefined
}

/** Drops what stands in the way, in the transaction of the caller. Refuses what the server refuses, by name. */
export async function takeAway(sql: Sql, items: AsideItem[]): Promise<void> {
  for (const statement of dropStatements(items)) {
    try {
      await sql.unsafe(statement.sql)
    } catch (error) {
      const { message, detail } = error as { message: string; detail?: string }
      throw new Problem(
        'DependentsExist',
        sentences(message, detail?.replaceAll('\n', '; '), 'Nothing was changed'),
        {
          cause: error,
        },
      )
    }
  }
}

/**
 * Proves that what is dropped can be made again exactly as it was: makes it without rows, compares, and undoes all of it.
 * Execute between the drop and the commit, in the same transaction.
 */
export async function proveReturn(sql: Sql, items: AsideItem[]): Promise<void> {
  const undo = new Error('undo')
  await withSavepoint(sql, async (part) => {
    await makeAll(part, items, { withData: false, given: [], advice: 'Nothing was changed' })
    await insistOnSame(part, items, { exactly: true })
    throw undo
  }).catch((error) => {
    if (error !== undo) throw error
  })
}

/**
 * Makes again what was taken away, parents before children, and fills the views that had data: all or none, in the
 * transaction of the caller. A plain view that is there already was made by the caller's SQL, and only gets back what hung
 * on it; a materialized view that is there stays as it is. Throws ViewSqlFailed, which names the view and the column, and
 * CatalogChanged if something was lost.
 */
export async function makeAgain(sql: Sql, items: AsideItem[], how: MakeAgain): Promise<void> {
  const made = await makeAll(sql, items, how)
  const given = new Set(how.given.map(quoteName))
  await insistOnSame(
    sql,
    made.filter((item) => !(isView(item) && given.has(quoteName(item.live.view)))),
    { exactly: false },
  )
  if (!how.withData) return
  for (const item of made.filter(isView).filter(({ populated }) => populated)) {
    if (item.live.view.kind === 'view') continue
    how.onFill?.(displayName(item.live.view))
    const { view, indexes } = item.live
    const unique = uniqueIndexes(
      indexes.map((index) => ({ ...index, on: index.rest })),
      (at) => indexes[at]?.name as string,
    )
    await perform(sql, item, inPlaceOf(view.owner, fill(view, unique)), how.advice)
  }
}

/** Makes everything, and returns what was really made here. */
async function makeAll(sql: Sql, items: AsideItem[], { given, advice }: MakeAgain): Promise<AsideItem[]> {
  await executeStatements(sql, [setting('default_tablespace', '')], false)
  const made: AsideItem[] = []
  const attached: AsideView[] = []
  for (const item of items) {
    if (item.kind === 'policy') continue
    if (item.kind === 'function') await perform(sql, item, makeFunction(item), advice)
    else {
      const { view } = item.live
      const there = await readKind(sql, view)
      if (there !== null && view.kind === 'materialized view') continue
      const definition = given.find((each) => quoteName(each) === quoteName(view))
      await performMaking(
        sql,
        item,
        there !== null ? adorn(item) : definition === undefined ? makeView(item) : makeFrom(item, definition),
        advice,
      )
      attached.push(item)
      if (there !== null) continue
    }
    made.push(item)
  }
  for (const item of attached) await perform(sql, item, makeAttached(item), advice)
  for (const item of items) {
    if (item.kind !== 'policy') continue
    await perform(sql, item, makePolicy(item), advice)
    made.push(item)
  }
  return made
}

async function performMaking(sql: Sql, item: AsideView, making: Making, advice: string): Promise<void> {
  await perform(sql, item, making.create, advice)
  const columns = await sql<{ name: string }[]>`
    select a.attname as name from pg_attribute a
     where a.attrelid = to_regclass(${quoteName(item.live.view)})::oid and a.attnum > 0 and not a.attisdropped`
  await perform(sql, item, making.rest(columns.map(({ name }) => name)), advice)
}

/** What has the name: the kind as in pg_class; null if nothing has it. */
async function readKind(sql: Sql, { schema, name }: QualifiedName): Promise<string | null> {
  const [row] = await sql<{ kind: string }[]>`
    select c.relkind as kind from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = ${schema} and c.relname = ${name}`
  return row?.kind ?? null
}

async function perform(sql: Sql, item: AsideItem, statements: Statement[], advice: string): Promise<void> {
  try {
    await executeStatements(sql, statements, false)
  } catch (error) {
    throw error instanceof StatementRefused ? noLongerFits(item, error, advice) : error
  }
}

/** The refusal that names the view, and the column as the server names it or as it stands in the query. */
function noLongerFits(item: AsideItem, refused: StatementRefused, advice: string): Problem {
  const { statement, cause, line, missing } = refused
  const sqlstate = sqlstateOf(cause)
  const { position, internal_position: inner } = cause as Record<string, string | undefined>
  // Rows may be in the message of a statement that computes rows.
  const message = statement.computesRows
    ? `its data cannot be computed: ${standardText[sqlstate ?? ''] ?? standardText[`${sqlstate?.slice(0, 2)}000`] ?? 'the query failed'}`
    : refused.message
  const at =
    position === undefined && inner === undefined
      ? ''
      : `, at "${statement.sql.split('\n')[line - 1]?.trim()}"`
  const part = statement.carries === undefined ? '' : `${statement.carries}: `
  const what = statement.computesRows ? 'cannot be filled' : 'no longer fits'
  return new Problem(
    'ViewSqlFailed',
    sentences(
      `${describeItem(item)} ${what}: ${part}${message} (${sqlstate ?? 'no SQLSTATE'})${statement.computesRows ? '' : at}`,
      missing ?? undefined,
      advice,
    ),
    { cause, ...(sqlstate === undefined ? {} : { sqlstate }) },
  )
}

/** Compares with the catalog as it is now. A policy is what its one statement says. */
async function insistOnSame(sql: Sql, items: AsideItem[], { exactly }: { exactly: boolean }): Promise<void> {
  const missing: string[] = []
  for (const item of items) {
    if (item.kind !== 'policy') missing.push(...lost(item, await readAgain(sql, item), exactly))
  }
  if (missing.length > 0)
    throw new Problem(
      'CatalogChanged',
      `Something would be lost: ${missing.join('; ')}. Nothing was changed.`,
    )
}

/** Reads an item again, by its name. */
async function readAgain(
  sql: Sql,
  item: AsideView | AsideFunction,
): Promise<AsideView | AsideFunction | undefined> {
  if (item.kind === 'function') return readFunction(sql, item.signature)
  const [row] = await sql.unsafe<{ live: LiveView }[]>(
    `select f as live from (${liveViewQuery(`to_regclass(${literal(quoteName(item.live.view))})::oid`)}) as x(f)`,
  )
  return row && { ...item, live: row.live }
}
