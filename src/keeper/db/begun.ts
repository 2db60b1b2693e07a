import { intruders, refuseIntruders, trustOf } from '../../catalog/plan/intruders.ts'
import type { Obstacle } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/connect.ts'
import { readClock, readLastLook } from '../../watch/db/looks.ts'

/** Up to when schedules have begun their batches. */
export interface Begun {
  /** The last turn of each schedule, by its name, that is on record since two hours. */
  turns: Map<string, Date>
  /** When the monitor last looked, or else now: a schedule without a turn on record has missed none before. */
  otherwise: Date
  /** By the server's clock. */
  now: Date
}

/**
 * Reads what the schedules of earlier leaders have begun. The key of a batch of a schedule ends with the time of its turn. Refuses
 * a database in whose schema `viewkeeper` others have a hand.
 */
export async function readBegun(sql: Sql): Promise<Begun> {
  const [now, looked, [schema], turns] = await Promise.all([
    readClock(sql),
    readLastLook(sql),
    sql.unsafe<[{ found: Obstacle[] }]>(`select ${intruders(trustOf(null))} as found`),
    sql<{ name: string; at: string }[]>`
      select requested_by as name, max(right(idempotency_key, 24)) as at from viewkeeper.batches
       where trigger = 'schedule' and requested_at > clock_timestamp() - interval '2 hours'
         and idempotency_key = requested_by || ' ' || right(idempotency_key, 24)
       group by requested_by`,
  ])
  refuseIntruders(schema.found)
  return {
    turns: new Map(turns.map(({ name, at }) => [name, new Date(at)])),
    otherwise: looked ?? now,
    now,
  }
}
