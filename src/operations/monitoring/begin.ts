import { beginPublishing } from '../../db/monitoring/begin.ts'
import type { Database } from '../../db/server/connect.ts'

/**
 * Begins to monitor a database, at its first deploy: what somebody tried there before, from the command line or with the
 * local gateway, sets off no alarm.
 */
export const beginMonitoring = (database: Database): Promise<boolean> =>
  database.withConnection(beginPublishing)
