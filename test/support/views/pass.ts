import type { Sql } from 'postgres'
import type { Message } from '../../../src/record/plan/watch.ts'
import { earlier } from '../record/rows.ts'

/** As if all that the monitor has found and told were this much longer ago. */
export const passTime = (sql: Sql, time: string) =>
  earlier(sql, 'incidents', {}, time, 'toldAt', 'openedAt', 'changedAt', 'resolvedAt')

/** The messages for people that wait for their sender, oldest first. */
export const messagesOf = async (sql: Sql): Promise<Message[]> =>
  (
    await sql<{ detail: Message }[]>`
      select detail from viewkeeper.events where type = 'Message' order by sequence`
  ).map(({ detail }) => detail)
