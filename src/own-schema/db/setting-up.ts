import { type Sql, withTransaction } from '../../server/connect.ts'
import { namingHolder, reservedKeys, runLockClass } from '../../server/lock-keys.ts'

/** Setting up takes seconds, so another caller is done within this time. */
const setUpLimit = '10s'

/**
 * Sets up roles or schema in a transaction of its own, while nobody else does: a second caller would find objects missing
 * or half made. Throws LockTimeout, which names the holder of the lock.
 */
export const settingUp = <T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> =>
  namingHolder(sql, reservedKeys.setUp, 'the set-up of this database', () =>
    withTransaction(sql, async (transaction) => {
      const [before] = await transaction<{ timeout: string }[]>`
        select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${setUpLimit}, true)`
      await transaction`select pg_advisory_xact_lock(${runLockClass}, ${reservedKeys.setUp})`
      await transaction`select set_config('lock_timeout', ${before?.timeout ?? '0'}, true)`
      return work(transaction)
    }),
  )
