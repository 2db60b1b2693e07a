import type { Database, Sql } from '../../db/server/connect.ts'
import { lookAgain } from '../../db/server/look-again.ts'
import { readUntried } from '../../db/server/untried.ts'
import { unknownView } from '../../db/views/catalog.ts'
import { readGroup, readGroupRights } from '../../db/views/group.ts'
import { readSnapshot } from '../../db/views/live-view.ts'
import { readGivers, readRightsFacts } from '../../db/views/rights.ts'
import { groupObstacles } from '../../plan/groups/refusals.ts'
import { isReadByViews, swapObstacles } from '../../plan/runs/swap-refusals.ts'
import {
  type Cure,
  curesOf,
  type Givers,
  judgeView,
  type RightsFacts,
  type ViewRights,
} from '../../plan/views/rights.ts'
import { Problem } from '../../problem.ts'
import { resolveNames } from '../runs/name.ts'

/** What a role may do with the views of a database, and the SQL that gives what is missing. */
export interface Findings {
  /** The role, as SQL writes it. */
  role: string
  views: ViewRights[]
  /** One sentence, if the server is newer than any tried. */
  untried?: string
  /** The cures of all obstacles, each once. */
  missing: Cure[]
}

/** Whose rights to look at, and on which views: by names as in SQL. */
export interface DoctorRequest {
  views: string[] | 'all'
  /** Null: our own login. */
  role: string | null
}

/** Finds what a role may do with views. Changes nothing, and needs no right on any view. */
export const doctor = (database: Database, { views, role }: DoctorRequest): Promise<Findings> =>
  database.withConnection(
    async (sql) => {
      const wanted = views === 'all' ? null : await resolveNames(sql, views)
      const isWanted = ({ schema, name }: RightsFacts) =>
        wanted?.some((each) => each.schema === schema && each.name === name) ?? true
      const findings = await examine(sql, role, isWanted)
      const found = new Set(findings.views.map(({ schema, name }) => JSON.stringify([schema, name])))
      const unknown = wanted?.find(({ schema, name }) => !found.has(JSON.stringify([schema, name])))
      if (unknown !== undefined) throw await unknownView(sql, unknown)
      return findings
    },
    { startUp: { application_name: 'viewkeeper doctor' }, deadline: Date.now() + 600_000 },
  )

/** The same on an open connection, for the views that are wanted. */
export async function examine(
  sql: Sql,
  role: string | null,
  isWanted: (view: RightsFacts) => boolean = () => true,
): Promise<Findings> {
  const asked = role ?? (await readLogin(sql))
  const givers = await readGivers(sql, asked)
  if (givers === undefined) {
    throw new Problem('InvalidRequest', `This server has no role ${JSON.stringify(asked)}.`, {
      field: 'role',
    })
  }
  const views: ViewRights[] = []
  for (const facts of (await readRightsFacts(sql, asked)).filter(isWanted)) {
    const view = await examineView(sql, facts, asked, givers)
    if (view !== null) views.push(view)
  }
  const untried = await readUntried(sql)
  return { role: givers.role, views, missing: curesOf(views), ...(untried === null ? {} : { untried }) }
}

/** Null if the view is gone. A view that was exchanged meanwhile is looked at again. */
function examineView(sql: Sql, first: RightsFacts, role: string, givers: Givers): Promise<ViewRights | null> {
  let facts: RightsFacts | undefined = first
  return lookAgain(async () => {
    if (facts === undefined) return null
    const swap = await readSwapRefusals(sql, facts, role, givers)
    if (swap !== 'gone') return judgeView(facts, swap, givers)
    facts = (await readRightsFacts(sql, role)).find(({ view }) => view === first.view)
    return 'gone'
  })
}

async function readLogin(sql: Sql): Promise<string> {
  const [row] = await sql<[{ login: string }]>`select current_user::text as login`
  return row.login
}

async function readSwapRefusals(sql: Sql, { oid }: RightsFacts, role: string, { role: written }: Givers) {
  const snapshot = await readSnapshot(sql, oid, role)
  if (snapshot === 'gone') return snapshot
  if (snapshot === 'locked') return locked
  if (!isReadByViews(snapshot.live)) return swapObstacles(snapshot.live, snapshot.rights, written)
  const group = await readGroup(sql, [oid])
  if (typeof group === 'string') return group === 'gone' ? group : locked
  return groupObstacles(group, await readGroupRights(sql, group, role), written)
}

const locked = [{ because: 'somebody holds an exclusive lock on it now: ask again', right: null }]
