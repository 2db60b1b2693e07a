import { readFacts } from '../../src/catalog/db/facts.ts'
import type { ViewFacts } from '../../src/catalog/plan/facts.ts'
import type { Trouble } from '../../src/events/plan/troubles.ts'
import type { Database } from '../../src/server/connect.ts'
import { type ChannelState, readChannels } from '../news/deliveries.ts'

/** What is measured of a database. */
export interface Measured {
  views: ViewFacts[]
  troubles: { name: string; trouble: Trouble }[]
  /** When the monitor last looked; null: never. */
  lookedAt: Date | null
  channels: ChannelState[]
}

/** Reads what is measured, on one connection. Never waits for a refresh. */
export const readMeasured = (database: Database, channels: string[]): Promise<Measured> =>
  database.withConnection(async (sql) => {
    const [look] = await sql<{ at: Date }[]>`
      select (value ->> 'at')::timestamptz as at from viewkeeper.switches where key = 'looked'`
    return {
      views: (await readFacts(sql)).views,
      troubles: await sql<
        Measured['troubles']
      >`select name, trouble from viewkeeper.troubles where over_at is null`,
      lookedAt: look?.at ?? null,
      channels: await readChannels(sql, channels),
    }
  })

/** Why this process is not ready; null: it is. `steps`: how many schema steps it needs; more are those of a newer version. */
export async function whyNotReady(database: Database, steps: number): Promise<string | null> {
  try {
    const [row] = await database.withConnection(
      (sql) => sql<[{ steps: number }]>`select count(*)::integer as steps from viewkeeper.schema_steps`,
    )
    return row.steps >= steps
      ? null
      : `the schema has ${row.steps} of ${steps} steps: viewkeeper migrate up applies them`
  } catch (error) {
    return (error as Error).message
  }
}
