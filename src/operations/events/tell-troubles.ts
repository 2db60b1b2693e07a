import { lockEventsIfFree, writeEvents } from '../../db/events/outbox.ts'
import { noteTroubles } from '../../db/events/troubles.ts'
import { type Sql, withTransaction } from '../../db/server/connect.ts'
import { type FoundTrouble, newsOfTrouble } from '../../plan/events/news.ts'

/**
 * Makes events of the troubles that have begun or ended since the look before. `found` are all troubles that there are now.
 * While somebody else works on the events, does nothing: the next look finds the same changes.
 */
export const tellProgramsOfTroubles = (
  sql: Sql,
  found: FoundTrouble[],
  environment: string | null,
): Promise<void> =>
  withTransaction(sql, async (transaction) => {
    if (!(await lockEventsIfFree(transaction))) return
    const changes = await noteTroubles(transaction, found)
    const of = (change: { trouble: string; name: string }) =>
      found.find(({ trouble, name }) => trouble === change.trouble && name === change.name)
    await writeEvents(
      transaction,
      changes.map((change) => newsOfTrouble(change, of(change), environment)),
    )
  })
