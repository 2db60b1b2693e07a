import { Problem, sentences } from '../problem.ts'
import type { Database, Sql } from '../server/database.ts'
import { insistOnNoBackup } from '../server/standbys.ts'
import { withTransaction } from '../server/transactions.ts'
import { tryToFill } from './db/fillable.ts'
import { lookInTheWay } from './db/locks.ts'
import { lockMemory, noteAction, readSetAside, remember, type SetAside } from './db/memory.ts'
import { type AsideView, nameOf, viewsOf } from './plan/items.ts'
import { findRelations, insistOnKeptData, insistOnNoObstacle, longSession, take } from './take.ts'

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
export interface SetAsideDone {
  items: AsideView[]
  before: SetAside[]
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
    const before = await readSetAside(sql)
    const waiting = { until: Date.now() + huntMs, onWait }
    const plan = await lookInTheWay(sql, { relations, ...waiting })
    insistOnNoObstacle(plan)
    await insistOnKeptData(sql, plan)
    if (dryRun || plan.items.length === 0) return { items: plan.items, before }
    await insistOnFillable(sql, plan.items, onTried)
    return withTransaction(sql, async (transaction) => {
      const items = await take(transaction, relations, waiting, { proved: true })
      await lockMemory(transaction)
      await remember(
        transaction,
        items,
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
