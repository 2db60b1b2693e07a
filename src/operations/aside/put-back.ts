import { makeAgain } from '../../db/aside/make.ts'
import { forget, lockMemory, readSetAside, type SetAside } from '../../db/aside/memory.ts'
import { findTaken } from '../../db/aside/taken.ts'
import { type Database, withTransaction } from '../../db/server/connect.ts'
import type { ViewDefinition } from '../../plan/views/definition.ts'
import { Problem } from '../../problem.ts'
import { analyzeAll } from './analyze.ts'
import { longSession } from './session.ts'
import { insistOnKnown } from './take.ts'

export interface PutBackRequest {
  /** Definitions for views whose query does not fit any more. */
  given: ViewDefinition[]
  /** Names of what is not to be made again. */
  forgotten: string[]
  dryRun: boolean
  onFill?: (view: string) => void
}

/** What was made again, or would be, and what was forgotten. */
export interface PutBack {
  back: SetAside[]
  forgotten: string[]
}

/**
 * Makes again all that is set aside, fills the views that had data, and forgets them; all or nothing. May be called at any
 * time, by anybody who may act as the owners. Throws ViewSqlFailed, which names the view and the column, and leaves
 * everything remembered.
 */
export const putBack = (
  database: Database,
  { given, forgotten, dryRun, onFill }: PutBackRequest,
): Promise<PutBack> =>
  longSession(database, 'viewkeeper put-back', async (sql) => {
    const plan = await readSetAside(sql)
    const unknown = forgotten.find((name) => !plan.some((each) => each.name === name))
    if (unknown !== undefined)
      throw new Problem('InvalidRequest', `--forget: ${unknown} is not set aside.`, { field: '--forget' })
    if (dryRun || plan.length === 0) return { back: without(plan, forgotten), forgotten }
    const back = await withTransaction(sql, async (transaction) => {
      await lockMemory(transaction)
      const all = await readSetAside(transaction)
      const wanted = without(all, forgotten)
      const items = wanted.map(({ item }) => item)
      insistOnKnown(given, items)
      const [taken] = await findTaken(transaction, items)
      if (taken !== undefined) {
        throw new Problem(
          'DependentsExist',
          `${taken} is there already: somebody has made it since it was set aside. To keep that one, run: npx viewkeeper put-back --forget '${taken}'. ` +
            'To get the old one back, drop the new one first. Everything stays remembered.',
        )
      }
      await makeAgain(transaction, items, { withData: true, given, advice, ...(onFill && { onFill }) })
      await forget(
        transaction,
        all.map(({ name }) => name),
      )
      return wanted
    })
    await analyzeAll(
      sql,
      back.map(({ item }) => item),
    )
    return { back, forgotten }
  })

const advice =
  'Everything stays remembered. Change the table so that the view fits again, give a new definition along with ' +
  '--with <migration>.up.sql, or leave the view out with --forget <view>; then run put-back again'

const without = (all: SetAside[], forgotten: string[]): SetAside[] =>
  all.filter(({ name }) => !forgotten.includes(name))
