import { hintsQueryOf } from '../../catalog/plan/obstacles.ts'
import { askSealed, executeSealed, sealedCommand } from '../../sealed/db/execute.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf, statesThatSay } from '../../server/failures.ts'
import { readMissingRights, readWhoLacks } from '../../server/own-rights.ts'
import { inTransaction, readRolePath, takeRolePath, takeSafePath } from '../../server/transactions.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { Seal, Statement } from '../../sql/run-plan.ts'
import { safePath, takeLoginSettings, takeOwnSettings } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { unfoundQuery } from './unfound.ts'

interface Unfound {
  /** In words after "undefined table". */
  what: string
  hint: string
}

/** A statement that the server refuses. */
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
  /** What a function did not find while rows were computed, and what to do about it; null if nothing is known. */
  readonly unfound: Unfound | null
  /** The view whose definition the statement comes from, if several are tried together. */
  view: QualifiedName | null = null

  constructor(
    statement: Statement,
    at: number,
    inDefinition: boolean,
    cause: unknown,
    missing: string | null = null,
    unfound: Unfound | null = null,
  ) {
    super((cause as Error).message.replace(/[\r\n]+/g, ' '), { cause })
    this.statement = statement
    this.at = at
    this.inDefinition = inDefinition
    this.missing = missing
    this.unfound = unfound
    // Positions count characters; a JavaScript string may hold two units for one. A sealed statement is an inner query.
    const { position: outer, internal_position, internal_query } = cause as Record<string, string | undefined>
    const position = Number(
      outer ?? (internal_query?.startsWith(statement.sql) ? internal_position : undefined) ?? 1,
    )
    this.line = [...statement.sql]
      .slice(0, position - 1)
      .join('')
      .split('\n').length
  }
}

/**
 * Executes statements of a plan one by one, from the client: all of them, in a transaction or a savepoint, or none. So the catalog can be asked afterwards
 * which right was missing. `onPath` changes the search path of sealed SQL of others. Throws StatementRefused.
 */
export async function executeStatements(
  sql: Sql,
  statements: Statement[],
  inDefinition: boolean,
  onPath: (path: string) => string = (path) => path,
): Promise<void> {
  let current: Statement | undefined
  let at = 0
  let acting: string | null = null
  try {
    await inTransaction(sql, async (part) => {
      for (current of statements) {
        acting = takenRole(current, acting)
        if (current.computesRows) await part.unsafe(takeLoginSettings())
        await execute(part, current, onPath)
        if (current.computesRows) await part.unsafe(takeOwnSettings)
        if (!current.hidden) at++
      }
    })
  } catch (error) {
    if (error instanceof Problem || current === undefined) throw error
    throw new StatementRefused(
      current,
      at,
      inDefinition,
      error,
      sqlstateOf(error) === '42501' ? await readLacking(sql, current, acting, error) : null,
      current.computesRows ? await readUnfound(sql, current, error) : null,
    )
  }
}

/**
 * Executes commands and sealed SQL of others in one message, in the transaction of the caller: the server takes no time between them. What follows each
 * other as one role has one seal, because a seal takes longer than what is in it. A failure does not say which statement failed.
 */
export async function executeTogether(sql: Sql, statements: Statement[]): Promise<void> {
  const rolePath = await readRolePath(sql)
  const pathOf = (statement: Statement) =>
    statement.kind !== 'sealed' ? safePath : statement.rolePath ? rolePath : (statement.seal.path ?? safePath)
  const texts = byRole(statements).map(({ role, seal, statements }) => {
    const plain = statements.map((each) => each.sql)
    if (role === null) return plain.join(';\n')
    if (seal === null) return [`set local role ${role}`, ...plain, 'reset role'].join(';\n')
    // The code of others may have changed the path before the next statement.
    const onPaths = statements.map(
      (each) =>
        `select pg_catalog.set_config('search_path', ${literal(pathOf(each))}, true);\n${each.sql}${('also' in each && each.also) || ''}`,
    )
    return sealedCommand(seal, onPaths.join(';\n'), safePath)
  })
  await sql.unsafe(texts.join(';\n'))
}

/** Statements that one role executes one after the other; null: our login. `seal` if one of them is sealed. */
interface ByRole {
  role: string | null
  seal: Seal | null
  statements: Statement[]
}

const isAboutRole = ({ sql }: Statement): boolean => /^(set local|reset) role\b/.test(sql)

/** The role as which the next statement is executed; null: our login. */
const takenRole = (statement: Statement, acting: string | null): string | null =>
  isAboutRole(statement) ? (/^set local role (.*)$/s.exec(statement.sql)?.[1] ?? null) : acting

/** The statements without those that take and reset a role. */
function byRole(statements: Statement[]): ByRole[] {
  const parts: ByRole[] = []
  let acting: string | null = null
  for (const statement of statements) {
    acting = takenRole(statement, acting)
    if (isAboutRole(statement)) continue
    const seal = statement.kind === 'sealed' ? statement.seal : null
    const role: string | null = seal?.role ?? acting
    const last = parts.at(-1)
    if (last === undefined || last.role !== role) parts.push({ role, seal, statements: [statement] })
    else {
      last.seal ??= seal
      last.statements.push(statement)
    }
  }
  return parts
}

/** Works as the envelope does: only SQL written by others sees our role's search path. */
async function execute(sql: Sql, statement: Statement, onPath: (path: string) => string): Promise<void> {
  switch (statement.kind) {
    case 'sealed': {
      const path = statement.rolePath ? onPath(await readRolePath(sql)) : (statement.seal.path ?? safePath)
      return executeSealed(sql, statement.seal, statement.sql + (statement.also ?? ''), path)
    }
    case 'asked':
      await askSealed(sql, statement.seal, statement.sql, statement.reads)
      return
    case 'userCode':
      await takeRolePath(sql, { local: true })
      await sql.unsafe(statement.sql)
      await takeSafePath(sql, { local: true })
      return
    case 'statements':
      for (const row of await sql.unsafe(statement.sql)) await sql.unsafe(Object.values(row)[0]).simple()
      return
    case 'check': {
      const { is, sooner, else: why, message, tells } = statement.check
      const ask = async (query: string): Promise<string | null | undefined> =>
        Object.values((await sql.unsafe(query))[0] ?? {})[0]
      if (sooner !== undefined && (await ask(sooner)) === is) return
      const answer = await ask(statement.sql)
      if (answer === is) return
      const [found = '', hint] = (answer ?? '').split('\x1e')
      throw new Problem(why, message ?? found, { detail: tells && `${tells}${found}`, hint })
    }
    // Nor what else was in the way; a trial shows nothing.
    case 'newer':
    case 'notes':
      return
    case 'command':
      await sql.unsafe(statement.sql)
      return
    default:
      statement satisfies never
  }
}

/** The missing rights, if the statement knows what it needs; else, or if the catalog shows none, who lacked one. */
const readLacking = async (
  sql: Sql,
  statement: Statement,
  acting: string | null,
  error: unknown,
): Promise<string | null> => {
  const role = 'seal' in statement ? statement.seal.role : acting
  return (
    (statement.obstacles && (await readMissingRights(sql, hintsQueryOf(statement.obstacles)))) ??
    readWhoLacks(sql, role, error)
  )
}

async function readUnfound(sql: Sql, { fills }: Statement, error: unknown): Promise<Unfound | null> {
  const sqlstate = sqlstateOf(error)
  if (sqlstate === undefined || !statesThatSay('names').includes(sqlstate)) return null
  const { message, where = '' } = error as Error & { where?: string }
  const [row] = await sql.unsafe<{ unfound: Unfound }[]>(
    `select unfound from (${unfoundQuery}) as found(unfound)`,
    [
      sqlstate,
      message,
      where,
      fills === undefined ? null : quoteName({ schema: fills.view[0], name: fills.view[1] }),
    ],
  )
  return row?.unfound ?? null
}
