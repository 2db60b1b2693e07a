import type { Sql } from '../../../src/server/database.ts'
import { until } from './until.ts'

/**
 * Waits until a run of this database has not got its locks, has let them all go, and sleeps before it tries again. Until then, and
 * once at least, does `meanwhile`.
 */
export const untilToldToComeBack = (sql: Sql, meanwhile: () => Promise<unknown> = async () => {}) =>
  until('a run sleeps between two tries for its locks', async () => {
    await meanwhile()
    const sleeping = await sql`
      select from pg_stat_activity
       where application_name like 'viewkeeper run % locking%' and wait_event = 'PgSleep' and datname = current_database()`
    return sleeping.length > 0
  })
