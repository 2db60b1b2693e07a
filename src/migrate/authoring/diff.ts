import type { Counts } from '../../catalog/plan/checks.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { insistOnChecking, measureCheck } from '../../rebuild/plan/check-data.ts'
import { type Columns, comparison, keyOf, sharedOf } from '../../rebuild/plan/compare.ts'
import { buildShadow } from '../../rebuild/plan/shadow.ts'
import { readLiveView } from '../../record/definitions/look.ts'
import type { Database, Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { undone } from '../../server/transactions.ts'
import { namesBeside, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { madeChecks, readSettings } from '../../sql/settings.ts'
import { applySettings, readMeaning, readShadow } from '../../trial/db/read-shadow.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** How the new data of a view differ from those that readers see. */
export interface DataDiff extends Counts {
  view: string
  key: string[] | null
  /** The rows beyond the first of a key in the new data. */
  repeated: number
  /** The columns that both sides have, with their types before and now. */
  columns: { name: string; type: string; now: string; changed: number }[]
  oldColumns: Columns
  newColumns: Columns
  /** Up to ten rows, for the person at the terminal only: the values of `columns`. */
  examples: [kind: 'added' | 'gone' | 'changed', before: (string | null)[], now: (string | null)[]][]
}

type Found = Omit<DataDiff, 'columns'> & { columns: number[] }

/**
 * Compares the data that readers see with those of the authored query; without one, of the view's own. Executes the query once, as
 * the owner of the view, in a seal that only reads. Everything is undone. Throws InsufficientPrivilege if the login may not
 * act as the owner, or the owner may not read.
 */
export const diffView = (
  database: Database,
  name: QualifiedName,
  definition: Definition | null,
  { mostMs = 600_000 } = {},
): Promise<DataDiff> =>
  database.withConnection(
    (sql) => undone(sql, (part) => compare(part, name, definition, mostMs)).catch(refuse(name)),
    {
      startUp: { application_name: 'viewkeeper diff' },
      deadline: Date.now() + mostMs + 60_000,
      writes: true,
    },
  )

/** The server looks whether the client is still there, where it can. */
const lookAtClient = `do $$ begin perform set_config('client_connection_check_interval', '2000', true); exception when others then null; end $$`

async function compare(
  sql: Sql,
  name: QualifiedName,
  definition: Definition | null,
  mostMs: number,
): Promise<DataDiff> {
  await sql.unsafe(lookAtClient)
  const { view, snapshot } = await readLiveView(sql, name, { until: Date.now() + 20_000 })
  const { live } = snapshot
  const seal = insistOnChecking(view)
  const limits = { lock_timeout: '5000', statement_timeout: String(mostMs) }
  await applySettings(sql, { ...readSettings(view.view, definition?.settings ?? {}), ...limits })
  const after =
    definition === null ? live : await readShadow(sql, { ...definition, indexes: [] }, view.owner, live)
  const [{ collations } = { collations: {} }] = await sql<{ collations: Record<string, string> }[]>`
    select coalesce(json_object_agg(attname, format('%I.%I', n.nspname, c.collname)), '{}') as collations
      from pg_catalog.pg_attribute a join pg_catalog.pg_collation c on c.oid = a.attcollation
      join pg_catalog.pg_namespace n on n.oid = c.collnamespace
     where a.attrelid = ${view.oid}::int8::oid and a.attnum > 0 and not a.attisdropped`
  const [columns, dataColumns] = [live.columns, after.columns]
  const key = keyOf(live, dataColumns)
  const data = quoteName(await makeCopy(sql, view.shadowKey, after))
  const text = comparison(
    { view: quoteName(name), columns, data, dataColumns, key, collations },
    { details: true },
  )
  const check = { name: 'diff', field: '', warns: true, query: '', comparison: text }
  const checked = { view: name, relation: name, seal }
  await executeStatements(sql, measureCheck(checked, check), false)
  const [row] = await sql.unsafe<[{ found: Found }]>(
    `select current_setting('${madeChecks}')::jsonb -> 0 as found`,
  )
  const shared = sharedOf({ columns, dataColumns })
  const without = (all: Columns) => all.filter(({ name }) => !shared.some((column) => column.name === name))
  const changed = shared.map(({ name, type, now }, at) => ({
    name,
    type,
    now,
    changed: row.found.columns[at] ?? 0,
  }))
  const others = { oldColumns: without(columns), newColumns: without(dataColumns) }
  return { ...row.found, view: view.view, key, columns: changed, ...others }
}

/**
 * A plain view of the query, proved to mean the same: its text alone might find other operators. It reads with its owner's rights, as the
 * comparison does.
 */
async function makeCopy(sql: Sql, key: string, live: LiveView): Promise<QualifiedName> {
  const { view: copy } = namesBeside(key, live.view.schema)
  const bare = { options: [], toastOptions: [], accessMethod: null, tablespace: null }
  const plain = { ...live, view: { ...live.view, ...bare, kind: 'view' as const } }
  const [create] = buildShadow(plain, { view: copy }) as [Statement]
  await executeStatements(sql, inPlaceOf(live.view.owner, [create]), false)
  const meaning = live.view.meaning ?? (await readMeaning(sql, live.view))
  if ((await readMeaning(sql, copy)) === meaning) return copy
  throw new Problem(
    'ViewSqlFailed',
    `${displayName(live.view)} cannot be compared: the server reads its own text of the query in another way, as where others may create in the schema of ` +
      'an operator. Keep them from that, as with: revoke create on schema public from public.',
  )
}

/** Says what the server refused, for the person at the terminal. */
const refuse = (name: QualifiedName) => (error: Error) => {
  const refused = error instanceof StatementRefused ? error : null
  const sqlstate = sqlstateOf(refused?.cause ?? error)
  if (sqlstate === undefined || error instanceof Problem) throw error
  const code = sqlstate === '42501' ? 'InsufficientPrivilege' : 'ViewSqlFailed'
  const hint = refused?.unfound
    ? ` Here a function finds names without a schema in pg_catalog only. ${refused.unfound.hint}`
    : ''
  throw new Problem(code, `${displayName(name)} cannot be compared: ${error.message} (${sqlstate}).${hint}`)
}
