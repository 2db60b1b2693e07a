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
import { readRolePath, safePath } from '../server/search-path.ts'

/** A statement of a definition that the server refuses. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused'
  readonly statement: Statement
  /** Which statement, counted from 0 over all statements that are no machinery. */
  readonly at: number
  /** Whether it is one of the statements of a definition, and not of what is done about it. */
  readonly inDefinition: boolean
  /** The line within the statement, counted from 1, where the server says one. */
  readonly line: number

  constructor(statement: Statement, at: number, inDefinition: boolean, cause: unknown) {
    super((cause as Error).message, { cause })
    this.statement = statement
    this.at = at
    this.inDefinition = inDefinition
    // Positions count characters, of which some are two for JavaScript. A sealed statement is one within another.
    const { position: outer, internal_position, internal_query } = cause as Record<string, string | undefined>
    const position = Number(outer ?? (internal_query === statement.sql ? internal_position : undefined) ?? 1)
    this.line = [...statement.sql]
      .slice(0, position - 1)
      .join('')
      .split('\n').length
  }
}

/** Does work in a transaction (or a part of one) and undoes it whatever comes of it; gives what the work gave. */
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
 * What a definition comes to, as this server reads it: an empty view is made of it beside the real one, described, and
 * undone. Its indexes have the names of the definition. Where its query is that of `live`, it is written as there. Throws
 * StatementRefused.
 */
export async function readTwin(
  sql: Sql,
  definition: ViewDefinition,
  owner: string,
  live?: LiveView,
): Promise<LiveView> {
  const twin = await describeTwin(sql, definition, owner)
  return live !== undefined && (await isSameQuery(sql, twin, live, owner))
    ? { ...twin, view: { ...twin.view, definition: live.view.definition } }
    : twin
}

/**
 * Whether two views have the same query. The server writes some queries out differently when they are read again (lists of
 * varchar), and the same from then on: so where the texts differ, both are read once more.
 */
export async function isSameQuery(sql: Sql, a: LiveView, b: LiveView, owner: string): Promise<boolean> {
  if (a.view.definition === b.view.definition) return true
  const again = async ({ view: { schema, name, definition } }: LiveView) => {
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
    const [row] = await part.unsafe<{ facts: LiveView }[]>(
      `select f as facts from (${liveViewQuery(`${literal(twin)}::regclass`)}) as x(f)`,
    )
    const { facts } = row as { facts: LiveView }
    const named = new Map(definition.indexes.map(({ name }, at) => [names.index(at), name]))
    return {
      ...facts,
      indexes: facts.indexes.map((index) => ({ ...index, name: named.get(index.name) as string })),
    }
  })

/** Sets what a definition sets for its operations, for the transaction at hand. Throws StatementRefused. */
export const applySettings = (sql: Sql, settings: Record<string, string>): Promise<void> =>
  executeAll(
    sql,
    Object.entries(settings).map(([name, value]) => setting(name, value)),
    false,
  )

/** Performs the statements of a plan that fills nothing, one by one, in the transaction at hand. Throws StatementRefused. */
export const performPlan = (sql: Sql, { settings, prepare, cutOver }: Plan): Promise<void> =>
  applySettings(sql, settings).then(() => executeAll(sql, [...prepare, ...cutOver.statements], false))

async function executeAll(sql: Sql, statements: Statement[], inDefinition: boolean): Promise<void> {
  let at = 0
  for (const statement of statements) {
    try {
      await execute(sql, statement)
    } catch (error) {
      if (error instanceof Problem) throw error
      throw new StatementRefused(statement, at, inDefinition, error)
    }
    if (!statement.hidden) at++
  }
}

/** As the envelope does it: only what somebody else has written sees the search path of our role, and sealed. */
async function execute(sql: Sql, { sql: text, userCode, sealed: seal, check }: Statement): Promise<void> {
  if (seal !== undefined) return executeSealed(sql, seal, text, userCode ? await readRolePath(sql) : safePath)
  if (userCode) await sql`set local search_path to default`
  const [row] = await sql.unsafe(text)
  if (userCode) await sql`select pg_catalog.set_config('search_path', ${safePath}, true)`
  if (check !== undefined && Object.values(row ?? {})[0] !== check.is)
    throw new Problem(check.else, check.message)
}

/** What default privileges gave the new view is nobody's wish: to be told from what its author grants. */
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
