import { maxConnectionsOf } from '../database/instance-memory.ts'
import type { CreatedDatabaseOptions, ImportedDatabaseOptions } from './database.ts'

/** What `advance` opens besides a connection for each run: one to decide, one to listen, two opened ahead. */
const besidesRuns = 4

interface ConnectionOptions {
  database: CreatedDatabaseOptions | ImportedDatabaseOptions
  batchConcurrency: number
}

/** A mistake: the path of its field, and what is wrong. */
interface Fault {
  path: string[]
  message: string
}

/**
 * What does not fit into the connections of a database that the stack creates. An imported database is not known here, nor
 * is a class of instances that AWS has brought since.
 */
export function connectionFaults({ database, batchConcurrency }: ConnectionOptions): Fault[] {
  if (database.kind !== 'created') return []
  const { instanceType, connectionLimit } = database
  const most = maxConnectionsOf(instanceType)
  if (most !== undefined && connectionLimit !== undefined && connectionLimit >= most)
    return [
      {
        path: ['database', 'connectionLimit'],
        message: `must leave connections to others: a ${instanceType} allows ${most} in all`,
      },
    ]
  const limit = connectionLimit ?? (most === undefined ? undefined : Math.floor(most / 2))
  const needed = batchConcurrency + besidesRuns
  if (limit === undefined || needed <= limit) return []
  return [
    {
      path: ['batchConcurrency'],
      message:
        `a batch of ${batchConcurrency} views at once opens ${needed} connections, and Viewkeeper's role may open ${limit} ` +
        `(${connectionLimit === undefined ? `half of what a ${instanceType} allows` : 'database.connectionLimit'})`,
    },
  ]
}
