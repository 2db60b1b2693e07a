import type { Message } from '../../../src/record/plan/watch.ts'
import type { Sql } from '../../../src/server/database.ts'

/** As if all that the monitor has found and told were this much longer ago. */
export const passTime = (sql: Sql, time: string) =>
  sql`update viewkeeper.incidents set told_at = told_at - ${time}::interval, opened_at = opened_at - ${time}::interval,
             changed_at = changed_at - ${time}::interval, resolved_at = resolved_at - ${time}::interval`

/** The messages for people that wait for their sender, oldest first. */
export const messagesOf = async (sql: Sql): Promise<Message[]> =>
  (
    await sql<{ detail: Message }[]>`
      select detail from viewkeeper.events where type = 'Message' order by sequence`
  ).map(({ detail }) => detail)
