import { findView, shadowKey } from '../../catalog/db/catalog.ts'
import { checksOf, type DataCheck } from '../../catalog/plan/checks.ts'
import type { Definition, ViewDefinition } from '../../catalog/plan/definition.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { type Checked, measureCheck, queryOfCheck } from '../../rebuild/plan/check-data.ts'
import { queryOf } from '../../rebuild/plan/create.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import { readDependencies } from '../../record/definitions/read-graph.ts'
import { askSealed } from '../../sealed/db/execute.ts'
import type { Sql } from '../../server/database.ts'
import { conditionOf, mayPass, sqlstateOf } from '../../server/failures.ts'
import { readRolePath, undone } from '../../server/transactions.ts'
import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Seal, Statement } from '../../sql/run-plan.ts'
import { takePath } from '../../trial/db/read-shadow.ts'
import type { QualifiedName } from '../../words/names.ts'

const limitMs = 3000

/**
 * What is wrong with the first bad check of a view that is there, filled or not; null if each can be parsed, made on the view
 * without its rows, reads the view under its own name only, and calls nothing that writes. All of it is undone.
 */
export async function findBadCheck(sql: Sql, definition: Definition): Promise<string | null> {
  const name = { schema: definition.schema, name: definition.name }
  const query = queryOf(definition.sql)
  const all = checksOf(name.name, definition.checks).filter(({ atMost }) => atMost === undefined)
  if (all.length === 0) return null
  const view = await findView(sql, name)
  if (view === undefined) return null
  const seal = { role: view.owner, schema: quoteIdentifier(name.schema) }
  const key = shadowKey(0)
  const typed = { schema: name.schema, name: `viewkeeper_typed_${key}` }
  const empty = { schema: name.schema, name: `viewkeeper_empty_${key}` }
  const nulls = { schema: name.schema, name: `viewkeeper_nulls_${key}` }
  return undone(sql, async (part) => {
    await takePath(part, definition)
    // What the query reads may be a placeholder, which no query may ask: only the columns are taken from it.
    const row = `select (null::${quoteName(typed)}).*`
    await executeStatements(
      part,
      [
        setting('statement_timeout', String(limitMs)),
        make(seal, typed, `select * from (${query}\n) as rows with no data`),
        make(seal, empty, `${row} limit 0`),
        make(seal, nulls, row),
      ],
      false,
    )
    for (const check of all) {
      const checked = { view: name, relation: empty, seal }
      const why = await undone(part, (tried) => tryOne(tried, view.view, checked, nulls, check))
      if (why !== null) return `check ${JSON.stringify(check.name)} ${why}`
    }
    return null
  })
}

/** Tries one check on the empty view, and on the view with one row, of nulls. `view` is its name as SQL writes it. */
async function tryOne(
  sql: Sql,
  view: string,
  checked: Checked,
  nulls: QualifiedName,
  check: DataCheck,
): Promise<string | null> {
  const { view: name, relation: empty, seal } = checked
  const parsed = { schema: name.schema, name: empty.name.replace('empty', 'parsed') }
  try {
    const query = `${queryOfCheck(name, empty, check)} with no data`
    await executeStatements(sql, [make(seal, parsed, query)], false)
  } catch (error) {
    // Nothing was executed, so the message quotes no rows.
    return refusal(error, (refused) => refused.message)
  }
  const itself = (await findView(sql, parsed))?.view ?? ''
  if ((await readDependencies(sql)).get(itself)?.includes(view))
    return `reads ${view} through a plain view or a function, which show its old data to the check: name the view itself, without its schema`
  try {
    await executeStatements(sql, measureCheck(checked, check), false)
  } catch (error) {
    if (sqlstateOf((error as Error).cause) !== unpopulated)
      return refusal(error, ({ cause }) => conditionOf(sqlstateOf(cause)))
  }
  // Without rows, a condition calls nothing; with other rows than those of a row of nulls, it may call any of its functions.
  for (const { of, query } of await callsOf(sql, parsed))
    if (await writes(sql, checked, { ...check, query, rows: undefined }))
      return `calls ${of}, which writes: a check may only read (${readOnly})`
  return (await writes(sql, { ...checked, relation: nulls }, check))
    ? `writes: a check may only read (${readOnly})`
    : null
}

/** The SQLSTATE of a write where the server only reads. */
const readOnly = '25006'

/** The SQLSTATE of a query that reads a view without data. */
const unpopulated = '55000'

/** Whether the server refuses to make a check because it writes. Nothing else that goes wrong tells anything. */
const writes = (sql: Sql, checked: Checked, check: DataCheck): Promise<boolean> =>
  undone(sql, async (part) => {
    await executeStatements(part, measureCheck(checked, check), false)
    return false
  }).catch((error) => {
    if (error instanceof StatementRefused) return sqlstateOf(error.cause) === readOnly
    throw error
  })

const make = (seal: Seal, view: QualifiedName, query: string): Statement => ({
  kind: 'sealed',
  seal,
  rolePath: true,
  phase: 'checking',
  sql: `create materialized view ${quoteName(view)} as ${query}`,
  hidden: true,
})

/** In words why a check cannot be made; null if the failure may pass, and so tells nothing about the check. */
function refusal(error: unknown, say: (refused: StatementRefused) => string): string | null {
  if (!(error instanceof StatementRefused)) throw error
  const sqlstate = sqlstateOf(error.cause)
  return mayPass(sqlstate) ? null : `cannot be made: ${say(error)}${error.missing ?? ''} (${sqlstate})`
}

/** A function of a user, and a query that calls it. */
interface FunctionCall {
  /** The function as SQL writes it. */
  of: string
  query: string
}

/**
 * Calls of the functions of users that the query of a relation names, also behind operators, with a value for each argument:
 * a strict function is not called with nulls. A value that does not fit makes the call fail.
 */
const callsOf = (sql: Sql, relation: QualifiedName): Promise<FunctionCall[]> => sql<FunctionCall[]>`
  select p.oid::pg_catalog.regprocedure::text as of,
         pg_catalog.format('select from %I.%I(%s)', n.nspname, p.proname, (
           select pg_catalog.string_agg(pg_catalog.format('%s%L::%s',
                    case when p.provariadic <> 0 and a.at = p.pronargs then 'variadic ' end,
                    case when t.typtype = 'e' then (select min(e.enumlabel) from pg_catalog.pg_enum e where e.enumtypid = t.oid)
                         when t.typname in ('json', 'jsonb', 'hstore') then '{}'
                         else pg_catalog.jsonb '{"N": "0", "S": "", "B": "true", "D": "2000-01-01", "T": "1 day", "A": "{}"}' ->> t.typcategory::text end,
                    pg_catalog.format_type(t.oid, null)), ', ' order by a.at)
             from pg_catalog.unnest(p.proargtypes) with ordinality a(type, at) join pg_catalog.pg_type t on t.oid = a.type)) as query
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where p.oid >= 16384 and p.prokind = 'f' and p.oid in (
     select case when d.refclassid = 'pg_catalog.pg_proc'::regclass then d.refobjid else o.oprcode end
       from pg_catalog.pg_rewrite w
       join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
       left join pg_catalog.pg_operator o on d.refclassid = 'pg_catalog.pg_operator'::regclass and o.oid = d.refobjid
      where w.ev_class = to_regclass(${quoteName(relation)}) and d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass))
   order by 1`

const keyLimitMs = 3000

/** The unique key of a view, and the query that may have rows in which it is null. */
export interface NullableKey {
  /** As SQL writes them. */
  columns: string
  /** The owner of the view, as SQL writes the role. */
  role: string
  schema: string
  query: string
}

/** The unique key of the view that a definition has made; null if the view has none. */
export async function readKey(sql: Sql, definition: ViewDefinition): Promise<NullableKey | null> {
  const { schema, sql: query } = definition
  const view = await findView(sql, definition)
  const columns = view?.keyCandidate ?? null
  return view === undefined || columns === null ? null : { columns, role: view.owner, schema, query }
}

/**
 * Whether the key is null in some row of the query; false if there is no answer within `keyLimitMs`. Execute it while we lock
 * nobody out.
 */
export async function isNullSomewhere(
  sql: Sql,
  { columns, role, schema, query }: NullableKey,
): Promise<boolean> {
  const seal = { role, schema: quoteIdentifier(schema), path: await readRolePath(sql) }
  try {
    return await undone(sql, async (part) => {
      await part`select set_config('statement_timeout', ${String(keyLimitMs)}, true)`
      const { found } = await askSealed<{ found: boolean }>(
        part,
        seal,
        `select jsonb_build_object('found', exists (select from (${query}\n) as q where not (row(${columns}) is not null)))`,
      )
      return found
    })
  } catch {
    // The query is slow, or reads what is not there yet. Then nobody is warned.
    return false
  }
}
