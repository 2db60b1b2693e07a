import type { Looks } from '../due/plan/lags.ts'
import type { Schedules } from '../due/schedules.ts'
import type { Telling } from '../events/plan/reminders.ts'
import type { Database } from '../server/connect.ts'
import type { Retention } from '../watch/db/prune.ts'
import { type Logger, logging } from '../watch/log.ts'
import { type Monitored, monitor, type Publisher } from '../watch/monitor.ts'
import type { People, Programs } from '../watch/note.ts'
import { type Pruned, prune } from '../watch/prune.ts'

// What the clock calls, through every door. A call does the job once, goes on where the last one stopped, and logs what it has done;
// what fails is thrown, and the door tells it.

/** What the jobs work with. */
export interface Kept {
  database: Database
  logger: Logger
  schedules: Schedules
  looks?: Looks
  telling: Telling
  retention: Retention
  /** Null: nothing becomes an event. */
  programs: Programs | null
  /** Left out: nobody takes messages for people. */
  people?: People | null
  /** Whether anybody is told what a look finds; null: nobody knows. */
  told?: boolean | null
  /** The number of the newest migration that was deployed; null: nobody knows. */
  newestMigration?: number | null
}

/** Looks once with the monitor, and publishes what it finds as log lines. `also` is told the same. */
export function look(
  { database, logger, ...kept }: Omit<Kept, 'retention'>,
  also?: Partial<Publisher>,
): Promise<Monitored> {
  const lines = logging(logger)
  return monitor(database, {
    ...kept,
    publish: {
      runs(ended) {
        lines.runs(ended)
        also?.runs?.(ended)
      },
      batches(ended) {
        lines.batches(ended)
        also?.batches?.(ended)
      },
      incidents(...found) {
        lines.incidents(...found)
        also?.incidents?.(...found)
      },
    },
  })
}

/** Removes the history that `retention` does not keep, until then (epoch milliseconds). */
export async function removeHistory(
  { database, logger, retention, programs }: Pick<Kept, 'database' | 'logger' | 'retention' | 'programs'>,
  until: number,
): Promise<Pruned> {
  const pruned = await prune(database, { ...retention, programs: programs !== null }, until)
  if (pruned.done) logger.info('pruned', { ...pruned })
  else logger.warn('pruned a part: the time was up; the next call goes on', { ...pruned })
  return pruned
}
