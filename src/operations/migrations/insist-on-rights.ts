import { readViewJournal } from '../../db/migrations/journal.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { readOwner } from '../../db/views/owner.ts'
import { readObstacles } from '../../db/views/rights.ts'
import {
  type FrozenChange,
  type FrozenMigration,
  partsOf,
  type ViewChange,
  viewAfter,
  viewBefore,
  viewChangesOf,
} from '../../plan/migrations/frozen.ts'
import { compareJournal } from '../../plan/migrations/journal.ts'
import { displayName, type QualifiedName, quoteName } from '../../plan/names.ts'
import { cureLines, curesOf, inSchema, type Obstacle, roleOf } from '../../plan/rights.ts'
import type { ViewRights } from '../../plan/views/obstacles.ts'
import { Problem } from '../../problem.ts'
import { examine } from '../views/doctor.ts'

/**
 * Refuses (InsufficientPrivilege) pending migrations before anything is changed, if our login lacks a right on a view that
 * they change, or if the owner of a new view may not make it. Own SQL may change everything, so what comes after it is
 * not looked at.
 */
export const insistOnRights = (database: Database, migrations: FrozenMigration[]): Promise<void> =>
  database.withConnection(
    async (sql) => {
      const { pending } = compareJournal(migrations, await readViewJournal(sql))
      const changes = viewChanges(pending)
      if (changes.length === 0) return
      const touched = new Set(changes.map(({ up }) => quoteName(viewBefore(up))))
      const { role, views } = await examine(sql, null, (view) => touched.has(quoteName(view)))
      const obstacles = [...ofLiveViews(changes, views), ...(await ofNewViews(sql, changes, views))]
      if (obstacles.length > 0) throw refused(role, obstacles)
    },
    { startUp: { application_name: 'viewkeeper migrate' }, deadline: Date.now() + 600_000 },
  )

/** What a migration does to a view, and what was frozen of the view before. */
interface Change {
  up: ViewChange
  down: FrozenChange | null
}

/** Up to the first own SQL. */
function viewChanges(pending: FrozenMigration[]): Change[] {
  const changes: Change[] = []
  for (const { up, down } of pending) {
    if (up.change.does === 'sql') break
    const ways = down === null ? [] : partsOf(down.change)
    changes.push(...viewChangesOf(up.change).map((change, at) => ({ up: change, down: ways[at] ?? null })))
  }
  return changes
}

interface Hindered {
  view: QualifiedName
  obstacle: Obstacle
}

function ofLiveViews(changes: Change[], views: ViewRights[]): Hindered[] {
  return views.flatMap((view) => {
    const rebuilds = changes.some(
      ({ up, down }) =>
        quoteName(viewBefore(up)) === quoteName(view) &&
        up.does === 'define' &&
        down?.does === 'define' &&
        down.definition.sql !== up.definition.sql,
    )
    return (rebuilds ? view.migrate : view.act)
      .filter(({ cure }) => cure !== null)
      .map((obstacle) => ({ view, obstacle }))
  })
}

/** Without schema `viewkeeper`, nobody knows yet who will own what is created. */
async function ofNewViews(sql: Sql, changes: Change[], live: ViewRights[]): Promise<Hindered[]> {
  const [ours] = await sql`select to_regnamespace('viewkeeper') is not null as there`
  if (!ours?.there) return []
  const known = new Set(live.map(quoteName))
  const hindered: Hindered[] = []
  for (const { up } of changes) {
    const view = viewBefore(up)
    const isNew = !known.has(quoteName(view))
    known.add(quoteName(viewAfter(up)))
    if (!isNew || up.does !== 'define') continue
    const owner = await readOwner(sql, up.definition.owner)
    const needs = (['usage', 'create'] as const).map((what) => ({
      ...inSchema(what, view.schema, roleOf(owner)),
      because: `format('%s, who will own it, lacks ${what} on schema %I', (${roleOf(owner)})::regrole, n.nspname)`,
    }))
    hindered.push(...(await readObstacles(sql, needs)).map((obstacle) => ({ view, obstacle })))
  }
  return hindered
}

function refused(role: string, hindered: Hindered[]): Problem {
  return new Problem(
    'InsufficientPrivilege',
    [
      `migrations/: rights are missing for the pending migrations, so ${role} has changed nothing.`,
      ...hindered.map(({ view, obstacle }) => `  ${displayName(view)}: ${obstacle.because}`),
      ...cureLines(curesOf(hindered.map(({ obstacle }) => obstacle))),
    ].join('\n'),
  )
}
