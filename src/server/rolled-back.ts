import { inTransaction, type Sql } from './connect.ts'

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
