import type { Reader } from '../../catalog/plan/live-view.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { makePlace } from '../../rebuild/plan/make.ts'
import { apart, type Member, type Rebuild } from '../../rebuild/plan/scope.ts'
import type { Sql } from '../../server/database.ts'
import { mayPass, sqlstateOf } from '../../server/failures.ts'
import { undone } from '../../server/transactions.ts'
import { quoteName } from '../../sql/names.ts'
import { makePlaceholders } from '../../trial/db/copies.ts'
import { tryShadow, tryShadows } from '../../trial/db/read-shadow.ts'
import { Problem } from '../../words/problem.ts'
import type { AsideView } from '../plan/items.ts'
import { readUnlocked } from './in-the-way.ts'
import { type FailedItem, noLongerFits } from './perform.ts'

/** Which views cannot be filled; and which could not be tried, with what reads them. */
export interface Fillable {
  misfits: FailedItem[]
  untried: AsideView[]
}

/**
 * Fills shadows of the views that have data, each from the shadows of the views below it, and undoes that: so the data of today
 * are tried, and no view is locked. It takes as long, and as much room on disk, as it takes to fill the views.
 */
export const tryToFill = (sql: Sql, items: AsideView[]): Promise<Fillable> =>
  undone(sql, async (part) => {
    const views = items
    const byName = new Map(views.map((item) => [quoteName(item.live.view), item]))
    const members = (await readMembers(part, [...byName.keys()])).filter(({ live }) =>
      byName.has(quoteName(live.view)),
    )
    const rebuild = apart(`aside_${crypto.randomUUID().slice(0, 8)}`, { members })
    try {
      await executeStatements(part, makePlace(rebuild), false)
    } catch (error) {
      // Our login may not create schemas.
      if (!(error instanceof StatementRefused) || sqlstateOf(error.cause) !== '42501') throw error
      return { misfits: [], untried: views.filter(isFilled) }
    }
    const itemOf = ({ live }: Member) => byName.get(quoteName(live.view)) as AsideView
    const trial = await tryShadows(
      members,
      ({ reads }) => reads,
      (member) => tryToFillOne(part, rebuild, member),
    )
    // What cannot even be made here may still fit under its own name.
    const unmakeable = trial.misfits.filter(({ because }) => !because.statement.computesRows)
    const unfillable = trial.misfits.filter(({ because }) => because.statement.computesRows)
    return {
      misfits: unfillable.map(({ member, because }) => {
        const item = itemOf(member)
        return { item, problem: noLongerFits(item, because, '') }
      }),
      untried: [
        ...unmakeable.map(({ member }) => itemOf(member)),
        ...trial.untried.map(itemOf).filter(isFilled),
      ],
    }
  })

const isFilled = ({ live, populated }: Pick<AsideView, 'live' | 'populated'>): boolean =>
  live.view.kind === 'materialized view' && populated

/** Views with everything that reads them, by names as SQL writes them. */
async function readMembers(sql: Sql, names: string[]): Promise<Reader[]> {
  const rows = await sql<{ oid: number }[]>`
    select to_regclass(value)::oid::int8 as oid from jsonb_array_elements_text(${sql.json(names)}) where to_regclass(value) is not null`
  return readUnlocked(
    sql,
    rows.map(({ oid }) => oid),
  )
}

/**
 * Whether placeholders prove that views can be made again exactly as they are. If not, only taking them away and making them again proves it (`proveReturn`).
 */
export const areProvedAside = (sql: Sql, items: AsideView[]): Promise<boolean> =>
  undone(sql, async (part) => {
    const names = items.map(({ live }) => quoteName(live.view))
    const views = await readMembers(part, names).catch((error) => {
      if (error instanceof Problem && error.code === 'LockTimeout') return null
      throw error
    })
    return views !== null && (await makePlaceholders(part, views, [])) !== null
  })

/** Makes one shadow, and fills it if the view has data. Returns the refusal, unless it may pass by itself. */
async function tryToFillOne(sql: Sql, rebuild: Rebuild, member: Member): Promise<StatementRefused | null> {
  try {
    await tryShadow(sql, rebuild, member, isFilled(member))
    return null
  } catch (error) {
    if (!(error instanceof StatementRefused) || mayPass(sqlstateOf(error.cause))) throw error
    return error
  }
}
