import type { Sql } from './connect.ts'

/**
 * Sends statements without waiting for their answer: they travel with the next ones, and are executed before those. For what
 * fails only if the connection does.
 */
export const sendAhead = (sql: Sql, text: string): void => {
  sql
    .unsafe(text)
    .execute()
    .catch(() => {})
}
