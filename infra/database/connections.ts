import type { Environment } from '../environment/environment.ts'
import { OptionsError } from '../environment/valid-options.ts'
import { maxConnections } from './instance-memory.ts'

/** What the function `batch` opens besides a connection for each run: one to decide, one to listen, two opened ahead. */
const besidesRuns = 4

/**
 * Refuses an environment whose batches do not fit into the connections of the database that it creates, or that leaves no
 * connection to others. Nothing is known here of an imported database, nor of an uncommon class of instances.
 */
export function insistOnConnections(name: string, { database, batchConcurrency }: Environment): void {
  if (database.kind !== 'created') return
  const { instanceType, connectionLimit } = database
  const refuse = (field: string, message: string) => {
    throw new OptionsError(`An environment is not valid:\n  ${name}.${field}: ${message}`)
  }
  const most = maxConnections(instanceType)
  if (most !== undefined && connectionLimit !== undefined && connectionLimit >= most)
    refuse(
      'database.connectionLimit',
      `must leave connections to others: a ${instanceType} allows ${most} in all`,
    )
  const limit = connectionLimit ?? (most === undefined ? Number.POSITIVE_INFINITY : Math.floor(most / 2))
  const needed = batchConcurrency + besidesRuns
  if (needed > limit)
    refuse(
      'batchConcurrency',
      `a batch of ${batchConcurrency} views at once opens ${needed} connections, and Viewkeeper's role may open ${limit} ` +
        `(${connectionLimit === undefined ? `half of what a ${instanceType} allows` : 'database.connectionLimit'})`,
    )
}
