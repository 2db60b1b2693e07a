import { lockEvents, writeEvents } from '../events/db/outbox.ts'
import { newsOfTrouble } from '../events/plan/news.ts'
import type { Telling } from '../events/plan/reminders.ts'
import { type FoundTrouble, type Trouble, troubles } from '../events/plan/troubles.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { longestPublishing } from './db/publish.ts'
import { noteTold, noteTroubles } from './db/troubles.ts'

/** How programs are told. */
export interface Programs {
  /** The name of the environment; null: it has none. */
  environment: string | null
}

/** Publishes what has a trouble, with the names that people have to be told of. */
export type PublishTrouble = (trouble: Trouble, found: FoundTrouble[], told: string[]) => void

/**
 * Notes which troubles have begun or ended, makes events of that for programs, and publishes what there is, with what people have to be
 * told. All of it comes on record after it is published: if this process dies in between, the same is told twice rather than never.
 * `readAt` null: what was found is on record already.
 */
export const tellTroubles = (
  sql: Sql,
  found: FoundTrouble[],
  {
    readAt,
    telling,
    programs,
    publish,
  }: { readAt: Date | null; telling: Telling; programs: Programs | null; publish: PublishTrouble },
): Promise<void> =>
  withTransaction(sql, async (transaction) => {
    if (programs !== null && readAt !== null) await lockEvents(transaction)
    else
      await transaction`select set_config('idle_in_transaction_session_timeout', ${longestPublishing}, true)`
    const changes = readAt === null ? [] : await noteTroubles(transaction, found, readAt)
    if (programs !== null)
      await writeEvents(
        transaction,
        changes.map((change) => newsOfTrouble(change, found, programs.environment)),
      )
    const told = await noteTold(transaction, telling)
    for (const trouble of troubles) {
      const of = <Of extends { trouble: Trouble }>(some: Of[]) =>
        some.filter((each) => each.trouble === trouble)
      const names = new Set(of(told).map(({ name }) => name))
      const views = of(found)
      publish(
        trouble,
        views,
        views.map(({ name }) => name).filter((name) => names.has(name)),
      )
    }
  })
