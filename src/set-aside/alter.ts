import type { ViewDefinition } from '../catalog/plan/definition.ts'
import { Problem } from '../problem.ts'
import type { Database, Sql } from '../server/database.ts'
import { insistOnNoBackup } from '../server/standbys.ts'
import { undone, withTransaction } from '../server/transactions.ts'
import { emptyTables, type TouchedRelation } from './db/in-the-way.ts'
import { lookInTheWay } from './db/locks.ts'
import { analyzeAll, makeAgain } from './db/make.ts'
import { executeFile } from './db/own-sql.ts'
import { noteAction } from './db/record.ts'
import { type AsideView, type Touched, viewsOf } from './plan/items.ts'
import {
  findRelations,
  insistOnKeptData,
  insistOnKnown,
  insistOnNoObstacle,
  longSession,
  take,
  type Waiting,
} from './take.ts'

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
  onPlan(plan: { items: AsideView[]; relations: string[] }): void
  onWait(holders: string): void
  onTried(result: 'fits' | 'unknown', ms: number): void
  onFill(view: string): void
}

/**
 * Executes a file of SQL around views: in one transaction takes away the views that stand in the way, executes the file as
 * the login, makes the views again and fills those that had data; all or nothing. Before, the same is tried on empty tables
 * and without rows, and undone, so that no reader waits long for a file that cannot succeed. That the views can be made
 * again as they are is proved on placeholders before that, as far as it can be, so that no reader waits for the proof.
 */
export const alter = (database: Database, request: AlterRequest, events: AlterEvents): Promise<AsideView[]> =>
  longSession(database, 'viewkeeper alter', async (sql) => {
    const relations = await findRelations(sql, request.touched, request.reading)
    const waiting = { until: Date.now() + request.huntMs, onWait: events.onWait }
    const plan = await lookInTheWay(sql, { relations, ...waiting })
    events.onPlan({ items: plan.items, relations: relations.map(({ name }) => name) })
    insistOnNoObstacle(plan)
    await insistOnKeptData(sql, plan)
    insistOnKnown(request.given, plan.items)
    if (request.dryRun) return plan.items
    if (plan.items.length > 0) await tryOut(sql, relations, request, waiting, events)
    const items = await withTransaction(sql, async (transaction) => {
      const taken = await take(transaction, relations, waiting, { proved: false })
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

/** The longest time for one part of the file in the trial, while readers wait. */
const longestTrialMs = 1000

async function tryOut(
  sql: Sql,
  relations: TouchedRelation[],
  request: AlterRequest,
  waiting: Waiting,
  { onTried }: AlterEvents,
): Promise<void> {
  const start = Date.now()
  const fits = await undone(sql, async (part) => {
    const items = await take(part, relations, waiting, { proved: true })
    await emptyTables(part, relations)
    const [before] = await part<[{ limit: string }]>`select current_setting('statement_timeout') as limit`
    await part`select set_config('statement_timeout', ${String(longestTrialMs)}, true)`
    try {
      await executeFile(part, request)
    } catch (error) {
      if (error instanceof Problem && error.details.sqlstate === '57014') return false
      throw error
    }
    await part`select set_config('statement_timeout', ${before.limit}, true)`
    await makeAgain(part, items, { withData: false, given: request.given, advice })
    return true
  })
  onTried(fits ? 'fits' : 'unknown', Date.now() - start)
}
