import { setTimeout as pause } from 'node:timers/promises'
import type postgres from 'postgres'
import { rolePathSetting, safePath } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'
import type { Sql } from './database.ts'
import { sqlstateOf } from './failures.ts'

/** Does work in a transaction or, within one, in a savepoint, and always rolls it back. Returns the result of the work. */
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

const mostLooks = 12
const pauseMs = 5

/**
 * Calls `look`, which reads a view from the catalog, again if the view was exchanged meanwhile: if `look` returns `gone` or the
 * server raises XX000. (A statement finds views as they were when it began, but the server writes their SQL as it is now.)
 * Returns any other answer. Throws CatalogChanged after 12 looks.
 */
export async function lookAgain<T>(look: () => Promise<T | 'gone'>): Promise<T> {
  for (let looks = 1; ; looks++) {
    try {
      const seen = await look()
      if (seen !== 'gone') return seen
    } catch (error) {
      if (sqlstateOf(error) !== 'XX000' || looks === mostLooks) throw error
    }
    if (looks === mostLooks) {
      throw new Problem('CatalogChanged', 'Somebody exchanged the view during each look at it. Try again.')
    }
    await pause(pauseMs * looks)
  }
}

/**
 * Sends statements without waiting for the answer: they travel with the next query, and are executed before it. An error is
 * lost, so they have to be such as fail only if the connection does.
 */
export const sendAhead = (sql: Sql, text: string): void => {
  sql
    .unsafe(text)
    .execute()
    .catch(() => {})
}

const before = 'viewkeeper.lock_timeout'
const shorten = `select set_config('${before}', current_setting('lock_timeout'), false), set_config('lock_timeout', '100', false)`
const restore = `select set_config('lock_timeout', current_setting('${before}'), false)`

/**
 * Returns the answer of `query`, or null if it waited 100 ms for a lock. `query` has to use the `Sql` that it is given: within a
 * transaction, this is a savepoint, so that the transaction survives.
 */
export async function unlessLocked<T>(sql: Sql, query: (sql: Sql) => Promise<T>): Promise<T | null> {
  sendAhead(sql, shorten)
  try {
    return await ('savepoint' in sql ? withSavepoint(sql, query) : query(sql))
  } catch (error) {
    if (sqlstateOf(error) === '55P03') return null
    throw error
  } finally {
    sendAhead(sql, restore)
  }
}

/** Calls `work` in a transaction of the same connection. */
export const withTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  sql.begin((transaction) => work(transaction as unknown as Sql)) as Promise<T>

/** Calls `work` in a transaction or, within one, in a savepoint. */
export const inTransaction = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  ('savepoint' in sql ? withSavepoint : withTransaction)(sql, work)

/** Calls `work` in a savepoint of the transaction: if `work` fails, the transaction goes on. */
export const withSavepoint = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  (sql as unknown as postgres.TransactionSql).savepoint((part) => work(part as unknown as Sql)) as Promise<T>

/** The search path that is set for our login. SQL written by others relies on it. */
export async function readRolePath(sql: Sql): Promise<string> {
  const [row] = await sql<{ path: string }[]>`select current_setting(${rolePathSetting}) as path`
  return row?.path as string
}

/** Lets the next statements, which others wrote, find names along the search path of our login. */
export const takeRolePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql`select set_config('search_path', current_setting(${rolePathSetting}), ${local})`

/** Ends `takeRolePath`. The statement has nothing that is looked up on a path. */
export const takeSafePath = (sql: Sql, { local }: { local: boolean }): Promise<unknown> =>
  sql.unsafe(`set ${local ? 'local ' : ''}search_path to ${safePath}`)
