import { readDependencies } from '../catalog/db/graph.ts'
import { readLiveView } from '../catalog/db/look.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { definitionOf } from '../catalog/plan/describe.ts'
import { type Difference, liveDifferences, notCompared } from '../catalog/plan/differences.ts'
import type { LiveView } from '../catalog/plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../catalog/plan/obstacles.ts'
import { Problem } from '../problem.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import type { Database, Sql } from '../server/connect.ts'
import { problemOf } from '../server/failures.ts'
import { readMissingRights } from '../server/missing-rights.ts'
import { readShadow } from '../set-aside/db/trial.ts'
import { displayName, quoteName } from '../sql/names.ts'
import { docsOf } from '../sql/runbook.ts'
import { readViewJournal } from './db/journal.ts'
import { isAhead } from './migrate.ts'
import { type FrozenMigration, frozenState } from './plan/frozen.ts'
import { compareJournal } from './plan/journal.ts'
import type { SquashedView } from './plan/squash.ts'

/** A view to squash, with the origin of its query. */
export interface SquashableView extends SquashedView {
  /** Why the query is the server's text of the live view, and not the author's; null if it is the author's. */
  serversTextBecause: string | null
}

const longestMs = 600_000
/** How long we wait for the end of a refresh that locks a view. */
const longestWaitMs = 20_000

/**
 * Reads the newest state of every frozen view, each with a query that this server accepts today and that is the query of the
 * live view: the authored query or the frozen one. If a table has changed, so that neither runs any more, the query is the
 * server's text of the live view. Refuses (MigrationFailed) a database that lacks a migration, and views that are not as
 * they were frozen. Changes nothing: shadows to compare with are rolled back.
 */
export const readSquashable = (
  database: Database,
  migrations: FrozenMigration[],
  authored: Definition[],
): Promise<SquashableView[]> =>
  database.withConnection(
    async (sql) => {
      await insistOnWhole(sql, migrations)
      const known = new Map(authored.map((definition) => [quoteName(definition), definition]))
      const views: (SquashableView & { written: string })[] = []
      const refusals: string[] = []
      for (const [name, frozen] of frozenState(migrations)) {
        const result = await squashable(sql, frozen, known.get(name)).catch((error) => {
          const problem = problemOf(error)
          if (!(problem instanceof Problem) || problem.code === 'InternalError') throw error
          return [problem.message]
        })
        if (Array.isArray(result)) refusals.push(...result.map((why) => `${displayName(frozen)}: ${why}`))
        else views.push(result)
      }
      if (refusals.length > 0) throw notAsFrozen(refusals)
      const reads = await readDependencies(sql)
      const names = new Map(views.map(({ written, definition }) => [written, quoteName(definition)]))
      return views.map(({ written, ...view }) => ({
        ...view,
        reads: (reads.get(written) ?? []).flatMap((read) => names.get(read) ?? []),
      }))
    },
    { startUp: { application_name: 'viewkeeper squash' }, deadline: Date.now() + longestMs },
  )

async function insistOnWhole(sql: Sql, migrations: FrozenMigration[]): Promise<void> {
  const { recorded, pending, ahead } = compareJournal(migrations, await readViewJournal(sql))
  if (ahead.length > 0) throw isAhead(ahead.map(({ name }) => name))
  const lacking = [...recorded, ...pending].map(({ name }) => name)
  if (lacking.length === 0) return
  throw new Problem(
    'MigrationFailed',
    `migrations/: this database lacks ${lacking.join(', ')}. A squash starts from a database that has all migrations: ` +
      'run "npx viewkeeper migrate up", then squash again.',
  )
}

const notAsFrozen = (refusals: string[]): Problem =>
  new Problem(
    'MigrationFailed',
    [
      'migrations/ was not squashed, because views differ from what is frozen:',
      ...refusals.map((refusal) => `  ${refusal.replaceAll('\n', '\n  ')}`),
      `Freeze what has changed for good and bring back the rest (${docsOf('views.md')} says how), then squash again.`,
    ].join('\n'),
  )

/** The view as it is to be frozen, or why it cannot be. `written` is its name as the server writes it. */
async function squashable(
  sql: Sql,
  frozen: Definition,
  authored: Definition | undefined,
): Promise<(SquashableView & { written: string }) | string[]> {
  const { view, snapshot } = await readLiveView(sql, frozen, { until: Date.now() + longestWaitMs })
  const { live } = snapshot
  if (!view.mayActAsOwner)
    return [notCompared(live.view.owner, await readMissingRights(sql, hintsQueryOf(hintsOn(view, 'act'))))]
  const differencesWith = (query: string) => differencesOf(sql, { ...frozen, sql: query }, live)
  const as = (query: string, serversTextBecause: string | null = null) => ({
    definition: { ...frozen, sql: query },
    serversTextBecause,
    reads: [],
    written: view.view,
  })

  const fromFrozen = await differencesWith(frozen.sql)
  const fromAuthored = authored === undefined ? fromFrozen : await differencesWith(authored.sql)
  if (Array.isArray(fromFrozen) && fromFrozen.length > 0) return fromFrozen
  if (Array.isArray(fromAuthored) && fromAuthored.length === 0) return as((authored ?? frozen).sql)
  if (Array.isArray(fromFrozen)) return ['its query in views/ is not frozen']
  const query = definitionOf(live, frozen.owner).definition.sql
  const fromLive = await differencesWith(query)
  if (!Array.isArray(fromLive)) return [fromLive.message]
  return fromLive.length > 0 ? fromLive : as(query, fromFrozen.message)
}

/** How a live view differs from a definition, in words, or why the server refuses the definition. */
async function differencesOf(
  sql: Sql,
  definition: Definition,
  live: LiveView,
): Promise<string[] | StatementRefused> {
  try {
    const shadow = await readShadow(sql, definition, live.view.owner, live)
    return liveDifferences(live, shadow).map(({ message }: Difference) => message)
  } catch (error) {
    if (error instanceof StatementRefused) return error
    throw error
  }
}
