import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import { ownersSeal } from '../../rebuild/plan/shadow.ts'
import type { Sql } from '../../server/database.ts'
import { conditionOf, mayPass, sqlstateOf } from '../../server/failures.ts'
import { readRolePath, withSavepoint } from '../../server/transactions.ts'
import { howToFit } from '../../slices/db/kept.ts'
import { quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { type Authored, takePath } from '../../trial/db/read-shadow.ts'
import { describeItem } from '../../trial/plan/copy.ts'
import { quoted } from '../../words/commands.ts'
import { displayName, displayPart, type QualifiedName } from '../../words/names.ts'
import { Problem, sentences } from '../../words/problem.ts'
import {
  type AsideView,
  adorn,
  type Below,
  type Making,
  makeFrom,
  makeView,
  nameOf,
  tableOfQuery,
} from '../plan/items.ts'
import { readBelow } from './in-the-way.ts'

/** From what items are made, and what to do if that fails. */
export interface ItemSource {
  /** Definitions that take the place of the old ones. */
  given: Authored[]
  /** What to do if a view cannot be made: the end of the message. */
  advice: string
  /** Whether an item that is there already is refused (DependentsExist). */
  refuseThere?: boolean
  /** A trial: for how long an incremental table is tried to be given other column types. */
  trialMs?: number
}

/** How an item was made (as it was, only what hung on it, or not at all, because it is there), and by which statements. */
export interface MadeItem {
  how: 'made' | 'adorned' | 'there'
  sql: string[]
}

/**
 * Makes an item again without its rows. A plain view that is there already only gets back what hung on it; a materialized
 * view that is there stays as it is. Throws ViewSqlFailed, which names the item and the column.
 */
export async function makeItem(
  sql: Sql,
  item: AsideView,
  { given, advice, refuseThere = false }: ItemSource,
): Promise<MadeItem> {
  const { view } = item.live
  const there = await readKind(sql, view)
  if (there !== null && refuseThere) throw isThere(item)
  if (there !== null && view.kind === 'materialized view') return { how: 'there', sql: [] }
  if (there !== null) return { how: 'adorned', sql: await performMaking(sql, item, adorn(item), advice) }
  const definition = given.find((each) => quoteName(each) === quoteName(view))
  if (definition !== undefined) {
    const path = await readRolePath(sql)
    await takePath(sql, definition)
    const making = view.kind === 'view' ? makeView(item, definition.sql) : makeFrom(item, definition)
    const performed = await performMaking(sql, item, making, advice)
    await takePath(sql, { settings: { search_path: path } })
    return { how: 'made', sql: performed }
  }
  const frozen = await makeAsFrozen(sql, item, advice)
  return { how: 'made', sql: frozen ?? (await performMaking(sql, item, makeView(item), advice)) }
}

/**
 * Makes a view from its frozen query, if the query still fits and reads what the view read: its names may mean something else
 * on the search path of this login.
 */
async function makeAsFrozen(sql: Sql, item: AsideView, advice: string): Promise<string[] | null> {
  const { frozen } = item
  if (frozen === undefined) return null
  const misfit = new Error('the frozen query does not fit')
  try {
    return await withSavepoint(sql, async (part) => {
      const performed = await performMaking(part, item, makeView(item, frozen), advice)
      if (!(await readTheSame(part, [item]))) throw misfit
      return performed
    })
  } catch (error) {
    if (
      error === misfit ||
      (error instanceof Problem && error.code === 'ViewSqlFailed' && !mayPass(error.details.sqlstate))
    )
      return null
    throw error
  }
}

/**
 * Gives an incremental table the column types of its query, which an item is. Throws ViewSqlFailed if the server has no assignment cast, or something hangs on
 * the columns.
 */
export async function fitTable(sql: Sql, { live }: AsideView, how: ItemSource): Promise<void> {
  const { advice, trialMs = 0 } = how
  const table = tableOfQuery(live.view)
  const alter = table === undefined ? '' : await howToFit(sql, table)
  if (table === undefined || alter === '') return
  const refused = (because: string, sqlstate: string, cause?: unknown) =>
    new Problem(
      'ViewSqlFailed',
      sentences(
        `Incremental table ${displayName(table)} cannot get the columns of its query`,
        because,
        `Or drop it first, and make it again after: drop table ${quoteName(table)}, then npx viewkeeper migrate up --repair`,
        advice !== '' && 'Nothing was changed',
      ),
      { cause, sqlstate },
    )
  if (alter === null) throw refused('They have other names: give the query the old ones', '42P16')
  const limit = (ms: number) => (trialMs === 0 ? [] : [setting('statement_timeout', String(ms))])
  const work = { phase: 'building', sql: alter, computesRows: true } as const
  const statement: Statement = { ...work, kind: 'sealed', seal: ownersSeal(live) }
  await executeStatements(sql, [...limit(trialMs), statement, ...limit(0)], false).catch((error) => {
    const sqlstate = error instanceof StatementRefused ? sqlstateOf(error.cause) : undefined
    if (sqlstate === undefined) throw error
    // Others may quote rows.
    const said = ['0A000', '42804'].includes(sqlstate) ? error.message : conditionOf(sqlstate)
    const more = `: if a view reads it, take that away, too, by --reading ${displayName(table)} or "alters"`
    throw refused(`${said}${sqlstate === '0A000' ? more : ''}`, sqlstate, error)
  })
}

/** The statements that make an item as it was, without its rows, triggers and rules. */
export function statementsFor(item: AsideView): Statement[] {
  const { create, rest } = makeView(item, item.frozen)
  return [...create, ...rest(item.live.columns.map(({ name }) => name))]
}

/** Whether views that were made read the relations that they have read before. */
export async function readTheSame(sql: Sql, items: AsideView[]): Promise<boolean> {
  const found = await readBelowNow(sql, items)
  const names = (some: QualifiedName[] = []) => some.map(quoteName).sort().join()
  return items.every(({ below }, at) => names(found[at]) === names(below))
}

/**
 * What views that were made read other columns than before, in words: their text names the columns of a join that has an alias by their places, so one that
 * a table got moves those behind it.
 */
export async function readOthers(sql: Sql, items: AsideView[]): Promise<string[]> {
  const found = await readBelowNow(sql, items)
  const columns = (some: Below[] = []) =>
    some.flatMap(({ columns, ...of }) => columns.map(({ name }) => `${displayName(of)}.${displayPart(name)}`))
  return items.flatMap((item, at) => {
    const [before, now] = [columns(item.below), columns(found[at])]
    const others = now.filter((column) => !before.includes(column))
    const lost = before.filter((column) => !now.includes(column))
    return others.length + lost.length === 0
      ? []
      : `${describeItem(item)} would not read ${lost.join(', ') || 'the same columns'}${others.length === 0 ? '' : `, but ${others.join(', ')}`}`
  })
}

/** What items that are there read by now. */
async function readBelowNow(sql: Sql, items: AsideView[]): Promise<(Below[] | undefined)[]> {
  const rows = await sql<{ oid: number }[]>`
    select to_regclass(x.name)::oid::int8 as oid
      from jsonb_array_elements_text(${sql.json(items.map(({ live }) => quoteName(live.view)))}) with ordinality as x(name, at) order by at`
  const found = await readBelow(
    sql,
    rows.map(({ oid }) => ({ class: 'pg_class', oid })),
  )
  return rows.map(({ oid }) => found.get(`pg_class ${oid}`))
}

async function performMaking(sql: Sql, item: AsideView, making: Making, advice: string): Promise<string[]> {
  const created = await perform(sql, item, making.create, advice)
  const columns = await sql<{ name: string }[]>`
    select a.attname as name from pg_attribute a
     where a.attrelid = to_regclass(${quoteName(item.live.view)})::oid and a.attnum > 0 and not a.attisdropped`
  const rest = making.rest(columns.map(({ name }) => name))
  return [...created, ...(await perform(sql, item, rest, advice))]
}

/** What has the first of the names that something has: the kind as in pg_class; null if nothing has any. */
export async function readKind(sql: Sql, ...names: QualifiedName[]): Promise<string | null> {
  const [row] = await sql<{ kind: string }[]>`
    select c.relkind as kind from jsonb_to_recordset(${sql.json(names as never)}) as x(schema text, name text)
      join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name limit 1`
  return row?.kind ?? null
}

/** The refusal of an item that somebody has made meanwhile. */
export const isThere = (item: AsideView): Problem =>
  new Problem(
    'DependentsExist',
    `${displayName(item.live.view)} is there already: somebody has made it since it was set aside. To keep that one, run: npx viewkeeper put-back --forget ${quoted(nameOf(item))}. ` +
      'To get the old one back, drop the new one first.',
  )

/** An item that cannot be made again, and why. */
export interface FailedItem {
  item: AsideView
  problem: Problem
}

/** Executes statements of an item, and returns those that do the work. Throws ViewSqlFailed, which names the item. */
export async function perform(
  sql: Sql,
  item: AsideView,
  statements: Statement[],
  advice: string,
): Promise<string[]> {
  try {
    await executeStatements(sql, statements, false)
    return statements.filter(({ hidden }) => !hidden).map(({ sql: text }) => text)
  } catch (error) {
    throw error instanceof StatementRefused ? noLongerFits(item, error, advice) : error
  }
}

/** The refusal that names the view, and the column as the server names it or as it stands in the query. */
export function noLongerFits(item: AsideView, refused: StatementRefused, advice: string): Problem {
  const { statement, cause, line, missing, unfound } = refused
  const sqlstate = sqlstateOf(cause)
  const { position, internal_position: inner } = cause as Record<string, string | undefined>
  // Rows may be in the message of a statement that computes rows.
  const message = statement.computesRows
    ? `${statement.phase === 'checking' ? `${statement.view} cannot be made` : 'its data cannot be computed'}: ${conditionOf(sqlstate)}${unfound === null ? '' : ` ${unfound.what}`}`
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
      missing ?? unfound?.hint,
      advice,
    ),
    { cause, ...(sqlstate === undefined ? {} : { sqlstate }) },
  )
}
