import { type AsideItem, type AsideView, isView } from '../../plan/aside/items.ts'
import { type Group, placesOf } from '../../plan/groups/group.ts'
import { buildTwinOf, fillTwin, makePlaces } from '../../plan/groups/twins.ts'
import { quoteName } from '../../plan/names.ts'
import type { Reader } from '../../plan/views/readers.ts'
import { executeStatements, StatementRefused } from '../runs/statements.ts'
import { type Sql, withSavepoint } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { mayPass } from '../server/sqlstate.ts'
import { undone } from '../server/undone.ts'
import { readUnlocked } from './in-the-way.ts'
import type { Misfit } from './make.ts'
import { noLongerFits } from './perform.ts'

/** Which views cannot be filled; and which could not be tried, with what reads them. */
export interface Fillable {
  misfits: Misfit[]
  untried: AsideView[]
}

/**
 * Fills twins of the views that have data, each from the twins of the views below it, and undoes that: so the data of today
 * are tried, and no view is locked. It takes as long, and as much room on disk, as it takes to fill the views.
 */
export const tryToFill = (sql: Sql, items: AsideItem[]): Promise<Fillable> =>
  undone(sql, async (part) => {
    const views = items.filter(isView)
    const byName = new Map(views.map((item) => [quoteName(item.live.view), item]))
    const members = (await readMembers(part, [...byName.keys()])).filter(({ live }) =>
      byName.has(quoteName(live.view)),
    )
    const group = { members, outside: [] }
    const found: Fillable = { misfits: [], untried: [] }
    const places = placesOf(`aside_${crypto.randomUUID().slice(0, 8)}`, group)
    try {
      await withSavepoint(part, (inner) => executeStatements(inner, makePlaces(group, places), false))
    } catch (error) {
      // Our login may not create schemas.
      if (!(error instanceof StatementRefused) || sqlstateOf(error.cause) !== '42501') throw error
      return { ...found, untried: views.filter(isFilled) }
    }
    const unfit = new Set<number>()
    for (const member of members) {
      const item = byName.get(quoteName(member.live.view)) as AsideView
      if (member.reads.some((oid) => unfit.has(oid))) {
        unfit.add(member.oid)
        if (!found.misfits.some((each) => each.item === item) && isFilled(item)) found.untried.push(item)
        continue
      }
      const refused = await tryMember(part, group, member, places)
      if (refused === null) continue
      unfit.add(member.oid)
      if (!refused.statement.computesRows) found.untried.push(item)
      else found.misfits.push({ item, problem: noLongerFits(item, refused, '') })
    }
    return found
  })

const isFilled = ({ live, populated }: AsideView): boolean =>
  live.view.kind === 'materialized view' && populated

/** Views with everything that reads them, by names as SQL writes them. */
export async function readMembers(sql: Sql, names: string[]): Promise<Reader[]> {
  const rows = await sql<{ oid: number }[]>`
    select to_regclass(value)::oid::int8 as oid from jsonb_array_elements_text(${sql.json(names)}) where to_regclass(value) is not null`
  return readUnlocked(
    sql,
    rows.map(({ oid }) => oid),
  )
}

/** Builds and fills one twin. Statistics objects stay out of it: their schemas are those of the views. */
async function tryMember(
  sql: Sql,
  group: Group,
  member: Reader,
  places: ReturnType<typeof placesOf>,
): Promise<StatementRefused | null> {
  const wanted = { ...member, wanted: { ...member.live, statistics: [] } }
  try {
    await withSavepoint(sql, async (part) => {
      await executeStatements(part, buildTwinOf(group, wanted, places), false)
      if (member.live.view.kind === 'materialized view' && member.populated)
        await executeStatements(part, fillTwin(wanted, places), false)
    })
    return null
  } catch (error) {
    if (!(error instanceof StatementRefused) || mayPass(sqlstateOf(error.cause))) throw error
    return error
  }
}
