import { findView } from '../../catalog/db/catalog.ts'
import { readDependencies } from '../../catalog/db/graph.ts'
import { shadowKey } from '../../catalog/db/shadow-key.ts'
import { checksOf, type DataCheck } from '../../catalog/plan/checks.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import { executeStatements, StatementRefused } from '../../rebuild/db/statements.ts'
import { type Checked, measureCheck, queryOfCheck } from '../../rebuild/plan/check-data.ts'
import { queryOf } from '../../rebuild/plan/create.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import type { Sql } from '../../server/connect.ts'
import { conditionOf, mayPass, sqlstateOf } from '../../server/failures.ts'
import { undone } from '../../server/transactions.ts'
import { takePath } from '../../set-aside/db/trial.ts'
import { type QualifiedName, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Sandbox, Statement } from '../../sql/plan.ts'
import { callsOf } from './calls-of.ts'

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
  const [owner] = await sql<{ role: string }[]>`
    select relowner::regrole::text as role from pg_catalog.pg_class where oid = to_regclass(${quoteName(name)})`
  const view = await findView(sql, name)
  if (owner === undefined || view === undefined) return null
  const sandbox = { role: owner.role, schema: quoteIdentifier(name.schema) }
  const key = shadowKey(0)
  const empty = { schema: name.schema, name: `viewkeeper_empty_${key}` }
  const nulls = { schema: name.schema, name: `viewkeeper_nulls_${key}` }
  return undone(sql, async (part) => {
    await takePath(part, definition)
    await executeStatements(
      part,
      [
        setting('statement_timeout', String(limitMs)),
        make(sandbox, empty, `select * from (${query}\n) as rows limit 0`),
        make(
          sandbox,
          nulls,
          `select rows.* from (values (1)) as one left join ${quoteName(empty)} as rows on true`,
        ),
      ],
      false,
    )
    for (const check of all) {
      const why = await undone(part, (tried) =>
        tryOne(tried, { name, view: view.view, empty, nulls, sandbox, key }, check),
      )
      if (why !== null) return `check ${JSON.stringify(check.name)} ${why}`
    }
    return null
  })
}

interface Trial {
  name: QualifiedName
  /** The name of the view as SQL writes it. */
  view: string
  empty: QualifiedName
  /** The view with one row, of nulls. */
  nulls: QualifiedName
  sandbox: Sandbox
  key: string
}

async function tryOne(
  sql: Sql,
  { name, view, empty, nulls, sandbox, key }: Trial,
  check: DataCheck,
): Promise<string | null> {
  const parsed = { schema: name.schema, name: `viewkeeper_parsed_${key}` }
  try {
    await executeStatements(
      sql,
      [make(sandbox, parsed, `${queryOfCheck(name, empty, check)} with no data`)],
      false,
    )
  } catch (error) {
    // Nothing was executed, so the message quotes no rows.
    return refusal(error, (refused) => refused.message)
  }
  const itself = (await findView(sql, parsed))?.view ?? ''
  if ((await readDependencies(sql)).get(itself)?.includes(view))
    return `reads ${view} through a plain view or a function, which show its old data to the check: name the view itself, without its schema`
  try {
    await executeStatements(sql, measureCheck({ view: name, relation: empty, sandbox, key }, check), false)
  } catch (error) {
    return refusal(error, ({ cause }) => conditionOf(sqlstateOf(cause)))
  }
  // Without rows, a condition calls nothing; with other rows than those of a row of nulls, it may call any of its functions.
  for (const { of, query } of await callsOf(sql, parsed))
    if (
      await writes(sql, { view: name, relation: empty, sandbox, key }, { ...check, query, rows: undefined })
    )
      return `calls ${of}, which writes: a check may only read (${readOnly})`
  return (await writes(sql, { view: name, relation: nulls, sandbox, key }, check))
    ? `writes: a check may only read (${readOnly})`
    : null
}

/** The SQLSTATE of a write where the server only reads. */
const readOnly = '25006'

/** Whether the server refuses to make a check because it writes. Nothing else that goes wrong tells anything. */
const writes = (sql: Sql, checked: Checked, check: DataCheck): Promise<boolean> =>
  undone(sql, async (part) => {
    await executeStatements(part, measureCheck(checked, check), false)
    return false
  }).catch((error) => {
    if (error instanceof StatementRefused) return sqlstateOf(error.cause) === readOnly
    throw error
  })

const make = (sandbox: Sandbox, view: QualifiedName, query: string): Statement => ({
  kind: 'sandboxed',
  sandbox,
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
