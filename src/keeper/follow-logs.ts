import { setTimeout as pause } from 'node:timers/promises'
import { lagOfLooks } from '../due/plan/lags.ts'
import { readBehindLogs } from '../record/definitions/behind-logs.ts'
import { refresh } from '../run/refresh.ts'
import { sqlstateOf } from '../server/failures.ts'
import type { Advancer } from './advancer.ts'
import type { Leader } from './lead.ts'

/** So often the change logs are asked for rows, all by one statement. */
const askLogsEveryMs = 500

/** Every so many questions also ask for changes of anything but rows, which no log has. */
const looksEach = 10

/** The answer to a refresh is waited for so long; then the record tells whether it goes on. */
const waitMs = 5000

/** A refresh that could not even be recorded is left to the look of the monitor. */
const restMs = 60_000

const by = {
  trigger: 'schedule',
  requestedBy: 'target lag',
  caller: 'target lag',
  idempotencyKey: null,
} as const

/**
 * Follows the logs of incremental tables whose target lags are shorter than looks keep: a function that does so for some time. A refresh begins when rows have
 * waited for half of the lag. `aside` does named work once at a time, and logs what fails.
 */
export function followLogs(
  advancer: Pick<Advancer, 'operate'>,
  { ask, signal }: Pick<Leader, 'ask' | 'signal'>,
  aside: (name: string, work: () => Promise<unknown>) => void,
  wait: (ms: number) => Promise<unknown> = (ms) => pause(ms, undefined, { signal }),
): (forMs: number) => Promise<void> {
  /** Since when the rows of a log wait, and until when a view is left alone. */
  const since = new Map<number, number>()
  const restsUntil = new Map<number, number>()
  const refreshOne = async (id: number, view: string) => {
    since.delete(id)
    try {
      await advancer.operate((database) =>
        refresh({ view }, { ...by, database, waitUntil: Date.now() + waitMs, hasChanged: true }),
      )
    } catch (error) {
      restsUntil.set(id, performance.now() + restMs)
      throw error
    }
  }
  let [asksAgainAt, questions] = [0, 0]
  /** What the server refuses to answer is no reason to lead no longer: the looks of the monitor go on. */
  const leave = (error: unknown) => {
    if (sqlstateOf(error) === undefined) throw error
    asksAgainAt = performance.now() + restMs
    aside('the question to the change logs', () => Promise.reject(error))
    return []
  }
  return async (forMs) => {
    for (let asked = 0; asked < forMs; asked += askLogsEveryMs) {
      await wait(askLogsEveryMs)
      if (performance.now() < asksAgainAt) continue
      const behind = await ask((sql) => readBehindLogs(sql, lagOfLooks, questions++ % looksEach === 0)).catch(
        leave,
      )
      const now = performance.now()
      for (const id of since.keys()) if (!behind.some((each) => each.id === id)) since.delete(id)
      for (const { id, view, lagMs, isChanged } of behind) {
        const waits = since.get(id) ?? now
        since.set(id, waits)
        const isDue =
          (isChanged || now - waits >= lagMs / 2 - askLogsEveryMs) && now >= (restsUntil.get(id) ?? 0)
        if (isDue) aside(`the refresh of ${view}`, () => refreshOne(id, view))
      }
    }
  }
}
