import { discoverDefinitions } from '../catalog/db/discovered.ts'
import { readFacts } from '../catalog/db/facts.ts'
import { readDependencies } from '../catalog/db/graph.ts'
import { readPause } from '../catalog/db/pause.ts'
import type { Call } from '../run/call.ts'
import { findByKey } from '../run/db/runs.ts'
import { withTransaction } from '../server/connect.ts'
import { readBatch, takeTurnToPlan } from './db/batches.ts'
import { lagsOf } from './lags.ts'
import type { Looks } from './schedules.ts'
import { type BatchDefaults, type StartedBatch, startBatchOn, startedOf } from './start.ts'

const by = { trigger: 'schedule', requestedBy: 'target lag', caller: 'target lag' } as const

/** Records one batch of all that is due by target lags; null if nothing is. The same key is the same batch. */
export const startDueBatch = (
  { database, idempotencyKey }: Pick<Call, 'database' | 'idempotencyKey'>,
  looks: Looks,
  defaults: BatchDefaults = {},
): Promise<StartedBatch | null> =>
  database.withConnection(async (sql) => {
    const call = { ...by, database, idempotencyKey }
    // What a call that was cut off has recorded is advanced by the next one.
    const known = idempotencyKey && (await findByKey(sql, 'batch', { ...by, idempotencyKey, request: {} }))
    const earlier = known ? await readBatch(sql, known.id) : undefined
    if (earlier !== undefined) return startedOf(earlier)
    return withTransaction(sql, async (transaction) => {
      await takeTurnToPlan(transaction)
      await discoverDefinitions(transaction)
      if ((await readPause(transaction)) !== null) return null
      const { due: views } = lagsOf(await readFacts(transaction), await readDependencies(transaction), looks)
      const { concurrency } = looks
      return views.length === 0 ? null : startBatchOn(transaction, { views, concurrency }, call, defaults)
    })
  })
