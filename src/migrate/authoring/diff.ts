import { readLiveView } from '../../catalog/db/look.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { hintsOn, hintsQueryOf } from '../../catalog/plan/obstacles.ts'
import { Problem } from '../../problem.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { insistOnChecking, madeChecks, measureCheck } from '../../rebuild/plan/check-data.ts'
import { type Compared, type Counts, comparison, keyOf, sharedOf } from '../../rebuild/plan/compare.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import type { Database, Sql } from '../../server/connect.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { readMissingRights } from '../../server/missing-rights.ts'
import { undone } from '../../server/rolled-back.ts'
import { readShadow } from '../../set-aside/db/trial.ts'
import { viewArgument } from '../../sql/commands.ts'
import { displayName, type QualifiedName, quoteName } from '../../sql/names.ts'
import { readSettings } from '../../sql/settings.ts'
import { onlyReads, readQuery } from '../db/temporary-view.ts'

/** How the new data of a view differ from those that readers see. */
export interface DataDiff extends Counts {
  view: string
  key: string[] | null
  /** The rows beyond the first of a key in the new data. */
  repeated: number
  /** The columns that both sides have, with their types before and now. */
  columns: { name: string; type: string; now: string; changed: number }[]
  oldColumns: { name: string; type: string }[]
  newColumns: { name: string; type: string }[]
  /** Up to ten rows, for the person at the terminal only: the values of `columns`. */
  examples: [kind: 'added' | 'gone' | 'changed', before: (string | null)[], now: (string | null)[]][]
}

interface DiffOptions {
  /** Compares all keys, however many. */
  all: boolean
  mostMs: number
}

/**
 * Compares the data that readers see with those of the authored query; without one, of the view's own. Executes the query once, as
 * the owner of the view, in a sandbox that only reads; or as the login if that only reads. Everything is undone. Throws
 * InsufficientPrivilege if the login may do neither.
 */
export const diffView = (
  database: Database,
  name: QualifiedName,
  definition: Definition | null,
  { all, mostMs }: DiffOptions = { all: false, mostMs: 600_000 },
): Promise<DataDiff> =>
  database.withConnection(
    (sql) =>
      undone(sql, async (part) => {
        // The server looks whether the client is still there, where it can.
        await part.unsafe(`do $$ begin perform set_config('client_connection_check_interval', '2000', true);
exception when others then null; end $$`)
        await executeStatements(
          part,
          [setting('statement_timeout', String(mostMs)), setting('lock_timeout', '5000')],
          false,
        )
        const { view, snapshot } = await readLiveView(part, name, { until: Date.now() + 20_000 })
        const { live } = snapshot
        if (!view.populated)
          throw new Problem(
            'InvalidRequest',
            `${view.view} holds no data, so there is nothing to compare with. Fill it: npx viewkeeper refresh ${viewArgument(name)}`,
          )
        if (!view.mayActAsOwner && !(await onlyReads(part)))
          throw new Problem(
            'InsufficientPrivilege',
            `The new data of ${view.view} are computed as its owner, ${view.owner}, and your login may not act as that role. ` +
              ((await readMissingRights(part, hintsQueryOf(hintsOn(view, 'act')))) ?? ''),
          )
        const after = await readNew(part, definition, live, view.mayActAsOwner)
        const compared: Compared = {
          view: quoteName(name),
          columns: live.columns,
          data: `(${after.definition}\n)`,
          dataColumns: after.columns,
          key: keyOf(live, after.columns),
          collations: await readCollations(part, view.oid),
        }
        const text = comparison(compared, { all, details: true })
        if (view.mayActAsOwner) {
          const checked = { view: name, relation: name, sandbox: insistOnChecking(view), key: view.shadowKey }
          const settings = Object.entries(readSettings(view.view, definition?.settings ?? {}))
          const check = { name: 'diff', field: '', warns: true, query: '', comparison: text }
          await executeStatements(
            part,
            [...settings.map(([key, value]) => setting(key, value)), ...measureCheck(checked, check)],
            false,
          )
        } else await part`select set_config('transaction_read_only', 'on', true)`
        const [row] = await part.unsafe<{ found: Found }[]>(
          view.mayActAsOwner ? `select current_setting('${madeChecks}')::jsonb -> 0 as found` : text,
        )
        return described(view.view, compared, (row as { found: Found }).found)
      }).catch((error) => {
        const sqlstate = sqlstateOf(error instanceof StatementRefused ? error.cause : error)
        if (sqlstate === undefined || error instanceof Problem) throw error
        throw new Problem(
          sqlstate === '42501' ? 'InsufficientPrivilege' : 'ViewSqlFailed',
          `${displayName(name)}: the new data cannot be computed: ${error.message} (${sqlstate}).${error.missing ?? ''}`,
        )
      }),
    { startUp: { application_name: 'viewkeeper diff' }, deadline: Date.now() + mostMs + 60_000 },
  )

interface Found extends Counts, Pick<DataDiff, 'repeated' | 'examples'> {
  columns: number[]
}

/** The query of the new data, every name in it qualified, and its columns. */
async function readNew(sql: Sql, definition: Definition | null, live: LiveView, mayActAsOwner: boolean) {
  if (definition === null) return { definition: live.view.definition, columns: live.columns }
  if (!mayActAsOwner) return readQuery(sql, definition)
  const { view, columns } = await readShadow(
    sql,
    { ...definition, indexes: [], grants: [] },
    live.view.owner,
    live,
  )
  return { definition: view.definition, columns }
}

async function readCollations(sql: Sql, oid: number): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; collation: string }[]>`
    select attname as name, format('%I.%I', n.nspname, c.collname) as collation
      from pg_catalog.pg_attribute a join pg_catalog.pg_collation c on c.oid = a.attcollation
      join pg_catalog.pg_namespace n on n.oid = c.collnamespace
     where a.attrelid = ${oid}::int8::oid and a.attnum > 0 and not a.attisdropped`
  return Object.fromEntries(rows.map(({ name, collation }) => [name, collation]))
}

function described(view: string, compared: Compared, { columns, ...found }: Found): DataDiff {
  const shared = sharedOf(compared)
  const isThere = (column: { name: string }) => shared.some(({ name }) => name === column.name)
  return {
    view,
    key: compared.key,
    ...found,
    columns: shared.map(({ name, type, now }, at) => ({ name, type, now, changed: columns[at] ?? 0 })),
    oldColumns: compared.columns.filter((column) => !isThere(column)),
    newColumns: compared.dataColumns.filter((column) => !isThere(column)),
  }
}
