import type { ViewDefinition } from '../catalog/plan/definition.ts'
import { Problem } from '../problem.ts'
import { recordEnded } from '../run/db/runs.ts'
import { runErrorOf } from '../run/record.ts'
import type { Database, Sql } from '../server/database.ts'
import { withTransaction } from '../server/transactions.ts'
import { analyzeAll, makePossible } from './db/make.ts'
import { forget, lockMemory, noteAction, readSetAside, type SetAside } from './db/memory.ts'
import { isThere, type Misfit } from './db/perform.ts'
import { findRenamed, findTaken } from './db/renames.ts'
import { type MadeBy, mayRecordRuns, runOf } from './db/runs.ts'
import { nameOf, viewsOf } from './plan/items.ts'
import { insistOnKnown, longSession } from './take.ts'

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
export interface PutBack {
  back: SetAside[]
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
    const plan = await readSetAside(sql)
    const unknown = forgotten.find((name) => !plan.some((each) => each.name === name))
    if (unknown !== undefined)
      throw new Problem('InvalidRequest', `--forget: ${unknown} is not set aside.`, { field: '--forget' })
    if (dryRun || plan.length === 0)
      return { back: without(plan, forgotten), forgotten, misfits: [], left: [] }
    const done = await withTransaction(sql, async (transaction): Promise<PutBack> => {
      await lockMemory(transaction)
      const wanted = without(await readSetAside(transaction), forgotten)
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
      const back = wanted.filter(({ name }) => !stays.has(name))
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
async function recordMisfits(sql: Sql, misfits: Misfit[], madeBy: MadeBy): Promise<void> {
  if (!(await mayRecordRuns(sql))) return
  for (const { item, problem } of misfits) {
    if (item.live.view.kind === 'view' || problem.code === 'DependentsExist') continue
    await recordEnded(sql, await runOf(sql, item, madeBy), { status: 'failed', error: runErrorOf(problem) })
  }
}

const without = (all: SetAside[], forgotten: string[]): SetAside[] =>
  all.filter(({ name }) => !forgotten.includes(name))
