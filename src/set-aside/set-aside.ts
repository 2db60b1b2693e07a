import type { ViewDefinition } from '../catalog/plan/definition.ts'
import { recordEnded } from '../record/runs/runs.ts'
import {
  forget,
  lockMemory,
  type MadeBy,
  mayRecordRuns,
  noteAction,
  type SetAside as Remembered,
  readSetAside,
  remember,
  runOf,
} from '../record/set-aside/remembered.ts'
import { runErrorOf } from '../run/planned-run.ts'
import type { Database, Sql } from '../server/database.ts'
import { insistOnNoBackup } from '../server/standbys.ts'
import { undone, withTransaction } from '../server/transactions.ts'
import { Problem, sentences } from '../words/problem.ts'
import { tryToFill } from './db/fillable.ts'
import { type LogOfTable, readLogs, type TouchedRelation } from './db/in-the-way.ts'
import { lookInTheWay } from './db/lock-hunt.ts'
import { analyzeAll, findRenamed, findTaken, makeAgain, makePossible } from './db/make-again.ts'
import { executeFile } from './db/own-sql.ts'
import { type FailedItem, isThere } from './db/perform.ts'
import { type AsideView, nameOf, type Touched, viewsOf } from './plan/items.ts'
import {
  findRelations,
  insistOnKeptData,
  insistOnKnown,
  insistOnNoObstacle,
  type LockWaiting,
  longSession,
  take,
} from './take.ts'

/** A view that is set aside, with all that it needs to be made again. */
type ViewSetAside = Remembered<AsideView>

/** The relations that another tool will change, as in SQL. */
export interface SetAsideRequest {
  reading: string[]
  dryRun: boolean
  /** The person who calls. */
  requestedBy: string
  huntMs: number
  onWait?: (holders: string) => void
  /** Called after the trial, with the views that could not be tried. */
  onTried?: (untried: string[], ms: number) => void
}

/** What was set aside now, and what was aside before. */
interface SetAsideDone {
  items: AsideView[]
  before: ViewSetAside[]
}

/**
 * Sets aside what reads some relations: remembers it and drops it, in one transaction, after it was proved that it can be
 * filled, and made again exactly as it was. Refuses (ViewSqlFailed) views that cannot be filled, all by name. Calling it
 * again sets aside only what is there by now.
 */
export const setAside = (
  database: Database,
  { reading, dryRun, requestedBy, huntMs, onWait, onTried }: SetAsideRequest,
): Promise<SetAsideDone> =>
  longSession(database, 'viewkeeper set-aside', async (sql) => {
    const relations = await findRelations(sql, [], reading)
    const before = await readSetAside<AsideView>(sql)
    const waiting = { until: Date.now() + huntMs, onWait }
    const plan = await lookInTheWay(sql, { relations, ...waiting })
    insistOnNoObstacle(plan)
    insistOnNew(plan.items, before)
    await insistOnKeptData(sql, plan)
    if (dryRun || plan.items.length === 0) return { items: plan.items, before }
    await insistOnFillable(sql, plan.items, onTried)
    return withTransaction(sql, async (transaction) => {
      const items = await take(transaction, relations, waiting)
      await lockMemory(transaction)
      insistOnNew(items, await readSetAside<AsideView>(transaction))
      await remember(
        transaction,
        items.map((item) => ({ name: nameOf(item), item })),
        relations.map(({ name }) => name),
      )
      await noteAction(transaction, {
        action: 'set-aside',
        requestedBy,
        views: viewsOf(items),
        request: { reading: relations.map(({ name }) => name) },
      })
      await insistOnNoBackup(transaction)
      return { items, before }
    })
  })

/** The memory has one view of a name. */
function insistOnNew(items: AsideView[], before: ViewSetAside[]): void {
  const known = before.filter((each) => items.some((item) => nameOf(item) === nameOf(each.item)))
  if (known.length > 0)
    throw new Problem(
      'DependentsExist',
      sentences(...known.map(({ item }) => isThere(item).message), 'Nothing was set aside'),
    )
}

async function insistOnFillable(
  sql: Sql,
  items: AsideView[],
  onTried: SetAsideRequest['onTried'],
): Promise<void> {
  const start = Date.now()
  const { misfits, untried } = await tryToFill(sql, items)
  if (misfits.length > 0) {
    throw new Problem(
      'ViewSqlFailed',
      sentences(
        ...misfits.map(({ problem }) => problem.message),
        'Nothing was set aside. Correct these views first',
      ),
    )
  }
  onTried?.(untried.map(nameOf), Date.now() - start)
}

export interface PutBackRequest {
  /** Definitions for views whose query does not fit any more. */
  given: ViewDefinition[]
  /** Names of what is not to be made again. */
  forgotten: string[]
  dryRun: boolean
  /** The person who calls. */
  requestedBy: string
  onFill?: (view: string) => void
}

/** What was made again, or would be, what was forgotten, and what stays remembered. */
interface PutBack {
  back: ViewSetAside[]
  forgotten: string[]
  /** What cannot be made again or filled, and why; in the order of making. */
  misfits: { name: string; because: string }[]
  /** What reads a misfit, or something else that is left. */
  left: string[]
}

/** What to do about misfits. */
export const putBackAdvice =
  'Change the table so that they fit again, give a new definition along with --with <migration>.up.sql, ' +
  'or leave one out with --forget <view>; then run put-back again.'

/**
 * Makes again what is set aside, fills the views that had data, and forgets them, in one transaction. What cannot be made
 * again or filled stays remembered, with all that reads it. May be called at any time, by anybody who may act as the owners.
 */
export const putBack = (
  database: Database,
  { given, forgotten, dryRun, requestedBy, onFill }: PutBackRequest,
): Promise<PutBack> =>
  longSession(database, 'viewkeeper put-back', async (sql) => {
    const plan = await readSetAside<AsideView>(sql)
    const unknown = forgotten.find((name) => !plan.some((each) => each.name === name))
    if (unknown !== undefined)
      throw new Problem('InvalidRequest', `--forget: ${unknown} is not set aside.`, { field: '--forget' })
    if (dryRun || plan.length === 0)
      return { back: without(plan, forgotten), forgotten, misfits: [], left: [] }
    const done = await withTransaction(sql, async (transaction): Promise<PutBack> => {
      await lockMemory(transaction)
      const wanted = without(await readSetAside<AsideView>(transaction), forgotten)
      const source = { given, advice: '', refuseThere: true }
      const items = wanted.map(({ item }) => item)
      insistOnKnown(given, items)
      const there = new Set(await findTaken(transaction, items))
      const taken = [...there].map((item) => ({ item, problem: isThere(item) }))
      const renamed = await findRenamed(
        transaction,
        items.filter((item) => !there.has(item)),
        source,
      )
      const madeBy: MadeBy = { trigger: 'cli', requestedBy, request: { putBack: true }, because: 'put-back' }
      const how = { ...source, withData: true, madeBy, ...(onFill && { onFill }) }
      const { misfits, left } = await makePossible(transaction, items, how, [...taken, ...renamed])
      await recordMisfits(transaction, misfits, madeBy)
      const stays = new Set([...misfits.map(({ item }) => item), ...left].map(nameOf))
      const back = wanted.filter(({ item }) => !stays.has(nameOf(item)))
      await forget(transaction, [...back.map(({ name }) => name), ...forgotten])
      const gone = plan.filter(({ name }) => forgotten.includes(name))
      if (back.length + gone.length > 0)
        await noteAction(transaction, {
          action: 'put-back',
          requestedBy,
          views: viewsOf([...back, ...gone].map(({ item }) => item)),
          request: { forgotten },
        })
      return {
        back,
        forgotten,
        misfits: misfits.map(({ item, problem }) => ({ name: nameOf(item), because: problem.message })),
        left: left.map(nameOf),
      }
    })
    await analyzeAll(
      sql,
      done.back.map(({ item }) => item),
    )
    return done
  })

/** A materialized view that cannot be made again has a run that failed. */
async function recordMisfits(sql: Sql, misfits: FailedItem[], madeBy: MadeBy): Promise<void> {
  if (!(await mayRecordRuns(sql))) return
  for (const { item, problem } of misfits) {
    if (item.live.view.kind === 'view' || problem.code === 'DependentsExist') continue
    await recordEnded(sql, await runOf(sql, item, madeBy), { status: 'failed', error: runErrorOf(problem) })
  }
}

const without = (all: ViewSetAside[], forgotten: string[]): ViewSetAside[] =>
  all.filter(({ name }) => !forgotten.includes(name))

/** A file of SQL, and what it changes. */
export interface AlterRequest {
  file: string
  text: string
  touched: Touched[]
  /** More relations whose readers stand in the way, as in SQL. */
  reading: string[]
  /** Definitions for views whose query does not fit any more. */
  given: ViewDefinition[]
  dryRun: boolean
  /** The person who calls. */
  requestedBy: string
  /** How long to hunt for the locks, in milliseconds. */
  huntMs: number
}

/** What is told meanwhile. */
export interface AlterEvents {
  onPlan(plan: { items: AsideView[]; relations: string[]; logs: LogOfTable[] }): void
  onWait(holders: string): void
  onTried(result: 'fits' | 'unknown', ms: number): void
  onFill(view: string): void
}

/**
 * Executes a file of SQL around views: in one transaction takes away the views that stand in the way, executes the file as
 * the login, makes the views again and fills those that had data; all or nothing. A dry run does the same without filling, and undoes
 * it. That the views can be made again as they are is proved on placeholders before any lock is taken, as far as it can be, so that no
 * reader waits for the proof.
 */
export const alter = (database: Database, request: AlterRequest, events: AlterEvents): Promise<AsideView[]> =>
  longSession(database, 'viewkeeper alter', async (sql) => {
    const relations = await findRelations(sql, request.touched, request.reading)
    const waiting = { until: Date.now() + request.huntMs, onWait: events.onWait }
    const plan = await lookInTheWay(sql, { relations, ...waiting })
    const logs = await readLogs(sql, relations)
    events.onPlan({ items: plan.items, relations: relations.map(({ name }) => name), logs })
    insistOnNoObstacle(plan)
    await insistOnKeptData(sql, plan)
    insistOnKnown(request.given, plan.items)
    if (request.dryRun) {
      if (plan.items.length > 0) await tryOut(sql, relations, request, waiting, events)
      return plan.items
    }
    const items = await withTransaction(sql, async (transaction) => {
      const taken = await take(transaction, relations, waiting)
      await executeFile(transaction, request)
      await makeAgain(transaction, taken, {
        withData: true,
        given: request.given,
        advice,
        madeBy: {
          trigger: 'cli',
          requestedBy: request.requestedBy,
          request: { alter: request.file },
          because: `alter ${request.file}`,
        },
        onFill: events.onFill,
      })
      const { file, requestedBy } = request
      await noteAction(transaction, {
        action: 'alter',
        requestedBy,
        views: viewsOf(taken),
        request: { file },
      })
      if (taken.length > 0) await insistOnNoBackup(transaction)
      return taken
    })
    await analyzeAll(sql, items)
    return items
  })

const advice =
  'Nothing was changed. Give a new definition along with --with <migration>.up.sql, or drop and create the view in the file'

/** The longest time for one part of the file in a dry run, while readers wait. */
const longestTrialMs = 1000

async function tryOut(
  sql: Sql,
  relations: TouchedRelation[],
  request: AlterRequest,
  waiting: LockWaiting,
  { onTried }: AlterEvents,
): Promise<void> {
  const start = Date.now()
  const fits = await undone(sql, async (part) => {
    const items = await take(part, relations, waiting)
    const [before] = await part<[{ limit: string }]>`select current_setting('statement_timeout') as limit`
    await part`select set_config('statement_timeout', ${String(longestTrialMs)}, true)`
    const ranOut = (error: unknown): false => {
      if (error instanceof Problem && error.details.sqlstate === '57014') return false
      throw error
    }
    if (!(await executeFile(part, request).then(() => true, ranOut))) return false
    await part`select set_config('statement_timeout', ${before.limit}, true)`
    const how = { withData: false, given: request.given, advice, trialMs: longestTrialMs }
    return makeAgain(part, items, how).then(() => true, ranOut)
  })
  onTried(fits ? 'fits' : 'unknown', Date.now() - start)
}
