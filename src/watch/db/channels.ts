import type { Sql } from '../../server/connect.ts'
import type { FailingChannel } from '../plan/channels.ts'

/** The channels that fail, by name. */
export const readFailingChannels = async (sql: Sql): Promise<FailingChannel[]> => [
  ...(await sql<FailingChannel[]>`
    select channel, min(failed_at) as since, max(error) as error
      from viewkeeper.deliveries where failed_at is not null group by channel order by channel`),
]
