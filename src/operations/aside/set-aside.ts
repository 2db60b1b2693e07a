import { lookInTheWay } from '../../db/aside/locks.ts'
import { lockMemory, readSetAside, remember, type SetAside } from '../../db/aside/memory.ts'
import { type Database, withTransaction } from '../../db/server/connect.ts'
import type { AsideItem } from '../../plan/aside/items.ts'
import { longSession } from './session.ts'
import { findRelations, insistOnNoObstacle, take } from './take.ts'

/** The relations that another tool will change, as in SQL. */
export interface SetAsideRequest {
  reading: string[]
  dryRun: boolean
  huntMs: number
  onWait?: (holders: string) => void
}

/** What was set aside now, and what was aside before. */
export interface SetAsideDone {
  items: AsideItem[]
  before: SetAside[]
}

/**
 * Sets aside what reads some relations: remembers it and drops it, in one transaction, after it was proved that it can be
 * made again exactly as it was. Calling it again sets aside only what is there by now.
 */
export const setAside = (
  database: Database,
  { reading, dryRun, huntMs, onWait }: SetAsideRequest,
): Promise<SetAsideDone> =>
  longSession(database, 'viewkeeper set-aside', async (sql) => {
    const relations = await findRelations(sql, [], reading)
    const before = await readSetAside(sql)
    const waiting = { until: Date.now() + huntMs, onWait }
    const plan = await lookInTheWay(sql, { relations, ...waiting })
    insistOnNoObstacle(plan)
    if (dryRun || plan.items.length === 0) return { items: plan.items, before }
    return withTransaction(sql, async (transaction) => {
      const items = await take(transaction, relations, waiting, { proved: true })
      await lockMemory(transaction)
      await remember(
        transaction,
        items,
        relations.map(({ name }) => name),
      )
      return { items, before }
    })
  })
