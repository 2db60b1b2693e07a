import { type Sql, withTransaction } from '../server/connect.ts'
import { namingHolder, reservedKeys, runLockClass } from '../server/lock-keys.ts'

/** Setting up takes seconds. */
const setUpPatience = '10s'

/**
 * Sets something up, roles or schema, in a transaction of its own, while nobody else does: whoever came second would find
 * things missing, or half made. Throws LockTimeout, naming who holds the lock.
 */
export const settingUp = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  namingHolder(sql, reservedKeys.setUp, 'whoever sets this database up', () =>
    withTransaction(sql, async (step) => {
      const [before] = await step<{ timeout: string }[]>`
        select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${setUpPatience}, true)`
      await step`select pg_advisory_xact_lock(${runLockClass}, ${reservedKeys.setUp})`
      await step`select set_config('lock_timeout', ${before?.timeout ?? '0'}, true)`
      return work(step)
    }),
  )
