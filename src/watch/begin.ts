import type { Database } from '../server/connect.ts'
import { beginPublishing } from './db/looks.ts'

/**
 * Begins to monitor a database, at its first deploy: what somebody tried there before, from the command line or with the
 * local gateway, sets off no alarm.
 */
export const beginMonitoring = (database: Database): Promise<boolean> =>
  database.withConnection(beginPublishing)
