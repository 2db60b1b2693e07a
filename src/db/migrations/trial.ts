import { inPlaceOf, sealed } from '../../plan/acting.ts'
import { literal, quoteName } from '../../plan/names.ts'
import type { Plan, Statement } from '../../plan/plan.ts'
import { temporaryNames } from '../../plan/runs/aside-names.ts'
import { createStatements } from '../../plan/runs/create.ts'
import { setting } from '../../plan/runs/locks.ts'
import type { ViewDefinition } from '../../plan/views/definition.ts'
import type { LiveView } from '../../plan/views/live-view.ts'
import { liveViewQuery } from '../../plan/views/live-view-query.ts'
import { Problem } from '../../problem.ts'
import { executeSealed } from '../runs/seal.ts'
import { inTransaction, type Sql } from '../server/connect.ts'
import { readMissingRights } from '../server/cure.ts'
import { sqlstateOf } from '../server/failures.ts'
import { readRolePath } from '../server/role-path.ts'
import { safePath } from '../server/search-path.ts'

/** A statement of a definition that the server refuses. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused'
  readonly statement: Statement
  /** The number of the statement, from 0; hidden statements are not counted. */
  readonly at: number
  /** Whether the statement comes from a definition, and not from the plan around the definition. */
  readonly inDefinition: boolean
  /** The line within the statement, from 1; 1 if the server names no position. */
  readonly line: number
  /** The rights that were missing, in words with SQL; null if none was. */
  readonly missing: string | null

  constructor(
    statement: Statement,
    at: number,
    inDefinition: boolean,
    cause: unknown,
    missing: string | null = null,
  ) {
    super((cause as Error).message, { cause })
    this.statement = statement
    this.at = at
    this.inDefinition = inDefinition
    this.missing = missing
    // Positions count characters; a JavaScript string may hold two units for one. A sealed statement is an inner query.
    const { position: outer, internal_position, internal_query } = cause as Record<string, string | undefined>
    const position = Number(outer ?? (internal_query === statement.sql ? internal_position : undefined) ?? 1)
    this.line = [...statement.sql]
      .slice(0, position - 1)
      .join('')
      .split('\n').length
  }
}

/** Does work in a transaction, or in a part of one, and always undoes it. Returns the result of the work. */
export async function undone<T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> {
  const undo = new Error('undo')
  let result: { of: T } | undefined
  try {
    await inTransaction(sql, async (part) => {
      result = { of: await work(part) }
      throw undo
    })
  } catch (error) {
    if (error !== undo) throw error
  }
  return (result as { of: T }).of
}

/**
 * The live view that this server makes of a definition: an empty twin is created beside the real view, described, and
 * undone. The indexes have the names of the definition. If the twin has the same query as `live`, the query's text is that
 * of `live`. Throws StatementRefused.
 */
export async function readTwin(
  sql: Sql,
  definition: ViewDefinition,
  owner: string,
  live?: LiveView,
): Promise<LiveView> {
  const twin = await describeTwin(sql, definition, owner)
  return live !== undefined && (await isSameQuery(sql, twin, live))
    ? { ...twin, view: { ...twin.view, definition: live.view.definition } }
    : twin
}

/**
 * Whether two views have the same query. The server writes some queries (lists of varchar) differently after it has read
 * its own text once, and the same from then on. So if the texts differ, both are read once more, each as its view's owner.
 */
export async function isSameQuery(sql: Sql, a: LiveView, b: LiveView): Promise<boolean> {
  if (a.view.definition === b.view.definition) return true
  const again = async ({ view: { schema, name, definition, owner } }: LiveView) => {
    const plain = { schema, name, sql: definition, indexes: [], comment: null, grants: [] }
    return (await describeTwin(sql, plain, owner)).view.definition
  }
  try {
    return (await again(a)) === (await again(b))
  } catch (error) {
    if (error instanceof StatementRefused) return false
    throw error
  }
}

const describeTwin = (sql: Sql, definition: ViewDefinition, owner: string): Promise<LiveView> =>
  undone(sql, async (part) => {
    const names = temporaryNames(definition)
    const twin = quoteName({ schema: definition.schema, name: names.view })
    const statements = sealed(owner, definition, createStatements(definition, names))
    const [create, ...others] = statements as [Statement, ...Statement[]]
    await executeAll(part, inPlaceOf(owner, [create, withoutDefaultGrants(twin), ...others]), true)
    const [row] = await part.unsafe<{ live: LiveView }[]>(
      `select f as live from (${liveViewQuery(`${literal(twin)}::regclass`)}) as x(f)`,
    )
    const { live } = row as { live: LiveView }
    const named = new Map(definition.indexes.map(({ name }, at) => [names.index(at), name]))
    return {
      ...live,
      indexes: live.indexes.map((index) => ({ ...index, name: named.get(index.name) as string })),
    }
  })

/** Applies the settings of a definition, for the current transaction. Throws StatementRefused. */
export const applySettings = (sql: Sql, settings: Record<string, string>): Promise<void> =>
  executeAll(
    sql,
    Object.entries(settings).map(([name, value]) => setting(name, value)),
    false,
  )

/** Performs a plan that fills no view, statement by statement, in the current transaction. Throws StatementRefused. */
export const performPlan = (sql: Sql, { settings, prepare, cutOver }: Plan): Promise<void> =>
  applySettings(sql, settings).then(() => executeAll(sql, [...prepare, ...cutOver.statements], false))

/** In a savepoint, so that the catalog can be asked afterwards which right was missing. */
async function executeAll(sql: Sql, statements: Statement[], inDefinition: boolean): Promise<void> {
  let current: Statement | undefined
  let at = 0
  try {
    await inTransaction(sql, async (part) => {
      for (current of statements) {
        await execute(part, current)
        if (!current.hidden) at++
      }
    })
  } catch (error) {
    if (error instanceof Problem || current === undefined) throw error
    const { obstacles } = current
    const isLacking = sqlstateOf(error) === '42501' && obstacles !== undefined
    throw new StatementRefused(
      current,
      at,
      inDefinition,
      error,
      isLacking ? await readMissingRights(sql, obstacles) : null,
    )
  }
}

/** Works as the envelope does: only SQL written by others sees our role's search path. */
async function execute(sql: Sql, { sql: text, userCode, sealed: seal, check }: Statement): Promise<void> {
  if (seal !== undefined) return executeSealed(sql, seal, text, userCode ? await readRolePath(sql) : safePath)
  if (userCode) await sql`set local search_path to default`
  const [row] = await sql.unsafe(text)
  if (userCode) await sql`select pg_catalog.set_config('search_path', ${safePath}, true)`
  if (check !== undefined && Object.values(row ?? {})[0] !== check.is)
    throw new Problem(check.else, check.message)
}

/** Revokes what default privileges have granted on the new view: only the author's grants are to remain. */
const withoutDefaultGrants = (view: string): Statement => ({
  phase: 'building',
  sql: `do $$
declare grantee text;
begin
  for grantee in
    select distinct case e.grantee when 0 then 'public' else e.grantee::regrole::text end
      from pg_catalog.pg_class c, aclexplode(c.relacl) e where c.oid = ${literal(view)}::regclass and e.grantee <> c.relowner
  loop
    execute format('revoke all on ${view.replaceAll('%', '%%')} from %s', grantee);
  end loop;
end $$`,
  hidden: true,
})
