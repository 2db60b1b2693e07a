import { replayGrants } from '../../catalog/plan/grants.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { executeStatements, executeTogether, StatementRefused } from '../../rebuild/db/statements.ts'
import { checkData } from '../../rebuild/plan/check-data.ts'
import { analyze, fill, uniqueIndexes } from '../../rebuild/plan/fill.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import { withAllRights } from '../../rebuild/plan/make.ts'
import { ownersSeal } from '../../rebuild/plan/shadow.ts'
import { readCheckingOf } from '../../record/runs/past.ts'
import {
  type Filled,
  type MadeBy,
  mayRecordRuns,
  readClock,
  readSeen,
  recordFilled,
} from '../../record/set-aside/remembered.ts'
import type { Sql } from '../../server/database.ts'
import { mayPass, problemOf, sqlstateOf } from '../../server/failures.ts'
import { withSavepoint } from '../../server/transactions.ts'
import { quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { findComparable, readAgain } from '../../trial/db/copies.ts'
import { describeItem, lost } from '../../trial/plan/copy.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem, sentences } from '../../words/problem.ts'
import {
  type AsideView,
  afterTables,
  type Below,
  type CalledNow,
  dropStatements,
  makeAttached,
  nameOf,
  renamedSince,
  withReaders,
} from '../plan/items.ts'
import {
  type FailedItem,
  fitTable,
  type ItemSource,
  makeItem,
  perform,
  readKind,
  readOthers,
  readTheSame,
  statementsFor,
} from './perform.ts'

/** How views are made again. */
export interface MakeAgain extends ItemSource {
  /** Whether views that had data are filled. */
  withData: boolean
  /** Each materialized view has a run that says so; undefined: a trial has no runs. */
  madeBy?: MadeBy | undefined
  /** Called when a view is being filled. */
  onFill?: ((view: string) => void) | undefined
}

/** Drops what stands in the way, in the transaction of the caller. Refuses what the server refuses, by name. */
export async function takeAway(sql: Sql, items: AsideView[]): Promise<void> {
  try {
    await executeTogether(sql, dropStatements(items))
  } catch (error) {
    const { message, detail } = error as { message: string; detail?: string }
    throw new Problem(
      'DependentsExist',
      sentences(message, detail?.replaceAll('\n', '; '), 'Nothing was changed'),
      { cause: error },
    )
  }
}

/**
 * Proves that what is dropped can be made again exactly as it was: makes it without rows, compares, and undoes all of it.
 * Execute between the drop and the commit, in the same transaction.
 */
export async function proveReturn(sql: Sql, items: AsideView[]): Promise<void> {
  const undo = new Error('undo')
  await withSavepoint(sql, async (part) => {
    await makeAll(part, items, { given: [], advice: 'Nothing was changed' })
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
export async function makeAgain(sql: Sql, items: AsideView[], how: MakeAgain): Promise<void> {
  const there = new Set(await findTaken(sql, items))
  const [renamed] = await findRenamed(
    sql,
    items.filter((item) => !there.has(item)),
    how,
  )
  if (renamed !== undefined) throw renamed.problem
  await makeAndFill(sql, items, how)
}

/**
 * The same for what can be made again and filled. Returns the misfits, which cannot be made or filled, and what is left out
 * because it reads one. Neither is there afterwards. `misfits` are known before.
 */
export async function makePossible(
  sql: Sql,
  items: AsideView[],
  how: MakeAgain,
  misfits: FailedItem[],
): Promise<{ misfits: FailedItem[]; left: AsideView[] }> {
  const found = [...misfits]
  const made = new Set<AsideView>()
  const gone = new Set<AsideView>()
  const lose = async (item: AsideView) => {
    const readers = withReaders(item, items, how.given)
    await takeAway(
      sql,
      readers.filter((each) => made.has(each) && !gone.has(each)),
    )
    for (const each of readers) gone.add(each)
  }
  for (const { item } of misfits) await lose(item)
  await makeAndFill(sql, items, how, async (item, work) => {
    if (gone.has(item)) return
    try {
      await withSavepoint(sql, work)
      made.add(item)
    } catch (error) {
      if (!isMisfit(error)) throw error
      found.push({ item, problem: error })
      await lose(item)
    }
  })
  found.sort((a, b) => items.indexOf(a.item) - items.indexOf(b.item))
  const named = new Set(found.map(({ item }) => item))
  return { misfits: found, left: items.filter((item) => gone.has(item) && !named.has(item)) }
}

/** Whether the item is at fault. A failure that may pass, such as a lock or a full disk, ends all of it. */
const isMisfit = (error: unknown): error is Problem =>
  error instanceof Problem &&
  (['CatalogChanged', 'CheckFailed', 'DependentsExist'].includes(error.code) ||
    (error.code === 'ViewSqlFailed' && !mayPass(error.details.sqlstate)))

/** Does a part of the work for one item. */
type Step = (item: AsideView, work: (sql: Sql) => Promise<unknown>) => Promise<unknown>

/** Without `one`: all or nothing, and as far as possible everything at once. */
async function makeAndFill(sql: Sql, items: AsideView[], how: MakeAgain, one?: Step): Promise<void> {
  const step: Step = one ?? ((_, work) => work(sql))
  const made = await makeAll(sql, afterTables(items), how, one)
  const changed = new Set(how.given.map(quoteName))
  const same = made.map(({ item }) => item).filter((item) => !changed.has(quoteName(item.live.view)))
  if (one === undefined) await insistOnSame(sql, same, { exactly: false })
  else for (const item of same) await one(item, (part) => insistOnSame(part, [item], { exactly: false }))
  const filled: Filled[] = []
  const isRecorded = how.madeBy !== undefined && (await mayRecordRuns(sql))
  let began = await readClock(sql)
  for (const { item, by } of made) {
    if (item.live.view.kind === 'view') continue
    const fills = how.withData && item.populated
    if (!fills && how.madeBy === undefined) continue
    const filling = fills ? fillStatements(item.live) : []
    const done = filled.length
    await step(item, async (part) => {
      if (fills) how.onFill?.(displayName(item.live.view))
      const seen = fills && isRecorded ? await readSeen(part, item.live.view, filled) : null
      const checks = fills && isRecorded ? await checkStatements(part, item, one) : []
      const { live } = item
      const work = withAllRights(live, live.view, [...filling, ...checks], replayGrants(live, live.view))
      await perform(part, item, fills ? work : [], how.advice)
      const shown = filling.filter(({ hidden }) => !hidden).map((each) => each.sql)
      const ended = await readClock(part)
      filled.push({ item, fills, seen, sql: [...by, ...shown], began, ended })
      began = ended
    })
    // The next run begins after the failure.
    if (filled.length === done) began = await readClock(sql)
  }
  // At the end: a definition that is written here stays locked until the commit, and filling may take hours.
  if (how.madeBy !== undefined && isRecorded) await recordFilled(sql, filled, how.madeBy)
}

function fillStatements({ view, indexes }: LiveView): Statement[] {
  const unique = uniqueIndexes(
    indexes.map((index) => ({ ...index, on: index.rest })),
    (at) => indexes[at]?.name as string,
  )
  return inPlaceOf(view.owner, fill(view, view, unique))
}

/** The statements that check the data of a view which was made again. With `one`, a view that fails stays aside. */
async function checkStatements(sql: Sql, { live }: AsideView, one?: Step): Promise<Statement[]> {
  return checkData(
    {
      view: live.view,
      relation: live.view,
      seal: ownersSeal(live),
      ...(one && { otherwise: 'the view stays aside' }),
    },
    await readCheckingOf(sql, live.view),
  )
}

/** An item that was really made here, and the statements that made it. */
interface MadeHere {
  item: AsideView
  by: string[]
}

/** Makes everything, and returns what was really made here: at once, or one by one if that fails, so that the misfit is named. */
async function makeAll(sql: Sql, items: AsideView[], source: ItemSource, one?: Step): Promise<MadeHere[]> {
  await executeStatements(sql, [setting('default_tablespace', '')], false)
  if (one === undefined) {
    const together = await makeTogether(sql, items, source)
    if (together !== null) return together
  }
  const step: Step = one ?? ((_, work) => work(sql))
  const made: MadeHere[] = []
  const attached: AsideView[] = []
  const make = (item: AsideView) =>
    step(item, async (part) => {
      const { how, sql: by } = await makeItem(part, item, source)
      if (how === 'made') made.push({ item, by })
      await fitTable(part, item, source)
      if (how !== 'there') attached.push(item)
    })
  for (const item of items) await make(item)
  for (const item of attached)
    await step(item, (part) => perform(part, item, makeAttached(item), source.advice))
  return made
}

/**
 * Makes everything as it was in one message, because readers wait meanwhile. Null if that is not possible: a view is there
 * already, gets another definition, does not fit, or would read something else.
 */
async function makeTogether(sql: Sql, items: AsideView[], source: ItemSource): Promise<MadeHere[] | null> {
  const { given } = source
  const names = items.map(({ live: { view } }) => ({ schema: view.schema, name: view.name }))
  const isGiven = names.some((view) => given.some((each) => quoteName(each) === quoteName(view)))
  if (isGiven || (await readKind(sql, ...names)) !== null) return null
  const making = items.map((item) => ({ item, statements: statementsFor(item) }))
  try {
    return await withSavepoint(sql, async (part) => {
      await executeTogether(part, [
        ...making.flatMap(({ statements }) => statements),
        ...items.flatMap(makeAttached),
      ])
      if (
        !(await readTheSame(
          part,
          items.filter(({ frozen }) => frozen !== undefined),
        ))
      )
        throw readsAnother
      for (const item of items) await fitTable(part, item, source)
      return making.map(({ item, statements }) => ({
        item,
        by: statements.filter(({ hidden }) => !hidden).map((each) => each.sql),
      }))
    })
  } catch (error) {
    const sqlstate = error instanceof Problem ? error.details.sqlstate : sqlstateOf(error)
    // A lock that is not there in time, or a cancel, would only come again: one by one, readers would wait twice.
    if (error === readsAnother || (sqlstate !== undefined && !mayPass(sqlstate))) return null
    throw problemOf(error)
  }
}

const readsAnother = new Error('a frozen query reads something else than the view did')

/** Compares with the catalog as it is now. */
async function insistOnSame(sql: Sql, items: AsideView[], { exactly }: { exactly: boolean }): Promise<void> {
  const missing: string[] = []
  const found = await readAgain(sql, items)
  const comparable = await findComparable(sql, items)
  for (const item of items)
    missing.push(...lost(item, found.get(item), { exactly, alike: exactly || comparable.has(item) }))
  // The types of what the others read are new ones, so their trees are.
  missing.push(
    ...(await readOthers(
      sql,
      items.filter((item) => !exactly && !comparable.has(item) && found.has(item)),
    )),
  )
  if (missing.length > 0)
    throw new Problem(
      'CatalogChanged',
      `Something would be lost: ${missing.join('; ')}. Nothing was changed.`,
    )
}

/** Gives the planner statistics of the views that were filled. A failure changes nothing: autovacuum does the same later. */
export async function analyzeAll(sql: Sql, items: AsideView[]): Promise<void> {
  for (const { live, populated } of items) {
    if (live.view.kind === 'view' || !populated) continue
    await executeStatements(sql, inPlaceOf(live.view.owner, [analyze(live.view)]), false).catch((error) => {
      if (!(error instanceof StatementRefused)) throw error
    })
  }
}

/** Those whose names something in the catalog has. */
export async function findTaken(sql: Sql, items: AsideView[]): Promise<AsideView[]> {
  const asked = items.map((item) => {
    const { schema, name } = item.live.view
    return { called: nameOf(item), schema, name }
  })
  const rows = await sql<{ called: string }[]>`
    select x.called from jsonb_to_recordset(${sql.json(asked)}) as x(called text, schema text, name text)
      join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name`
  const there = new Set(rows.map(({ called }) => called))
  return items.filter((item) => there.has(nameOf(item)))
}

/**
 * The items that read something under another name by now. The server carries a view over a rename of what the view reads, but
 * not the text of a view that is away: under the old names it does not fit, or means something else. A view that gets another
 * definition need not fit. `items` are not there.
 */
export async function findRenamed(
  sql: Sql,
  items: AsideView[],
  { given, advice }: ItemSource,
): Promise<FailedItem[]> {
  const changed = new Set(given.map(quoteName))
  const old = items.filter((item) => !changed.has(quoteName(item.live.view)))
  const { now, taken } = await readNames(
    sql,
    old.flatMap(({ below = [] }) => below),
  )
  return old.flatMap((item) => {
    const renamed = renamedSince(item.below ?? [], now, (name) => taken.has(quoteName(name)))
    if (renamed.length === 0) return []
    const problem = new Problem(
      'ViewSqlFailed',
      sentences(
        `${describeItem(item)} no longer fits: it reads ${renamed.join(', and ')}`,
        'The server carries a rename over to the views that are there: rename before they are taken away, or when they are back',
        advice,
      ),
    )
    return [{ item, problem }]
  })
}

/** How relations are called now, by OID; and which of the former names other relations have. */
async function readNames(
  sql: Sql,
  below: Below[],
): Promise<{ now: Map<number, CalledNow>; taken: Set<string> }> {
  const rows = await sql<(CalledNow & { oid: number; isTaken: boolean; was: QualifiedName })[]>`
    with asked as (
      select distinct (x ->> 'oid')::oid as oid, x ->> 'schema' as schema, x ->> 'name' as name
        from jsonb_array_elements(${sql.json(below as never)}) x)
    select c.oid::int8 as oid, n.nspname as schema, c.relname as name,
           jsonb_build_object('schema', a.schema, 'name', a.name) as was,
           exists (select from pg_class k join pg_namespace m on m.oid = k.relnamespace
                    where m.nspname = a.schema and k.relname = a.name and k.oid <> c.oid) as "isTaken",
           (select coalesce(jsonb_agg(jsonb_build_object('number', t.attnum, 'name', t.attname)), '[]') from pg_attribute t
             where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped) as columns
      from asked a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace`
  return {
    now: new Map(rows.map((row) => [row.oid, row])),
    taken: new Set(rows.flatMap(({ isTaken, was }) => (isTaken ? [quoteName(was)] : []))),
  }
}
