import type { Environment } from '../options.ts'
import { OptionsError } from '../options.ts'

/** Memory of a burstable class by its size, GiB: `t4g.medium` has 4. */
const burstableGiB: Record<string, number> = {
  micro: 1,
  small: 2,
  medium: 4,
  large: 8,
  xlarge: 16,
  '2xlarge': 32,
}

/** GiB for each processor of the other families, by the letters before the generation: `r8g` has 8. */
const gibOfProcessor: Record<string, number> = { m: 4, r: 8, x: 16 }

const bytesOfConnection = 9_531_392

/**
 * Memory of an instance class, GiB: 4 for `t4g.medium`, 16 for `m7g.xlarge`; undefined if the class is none of the
 * common ones. RDS lists classes and their memory under "Hardware specifications for DB instance classes".
 */
export function memoryGiB(instanceType: string): number | undefined {
  const [, family = '', size = ''] = /^([a-z]+)\d+[a-z]*\.([a-z0-9]+)$/.exec(instanceType) ?? []
  if (family === 't') return burstableGiB[size]
  const perProcessor = gibOfProcessor[family]
  const processors = processorsOf(size)
  return perProcessor !== undefined && processors !== undefined ? perProcessor * processors : undefined
}

/**
 * The connections that RDS lets into a server of this class unless its parameters say otherwise:
 * `LEAST(DBInstanceClassMemory / 9531392, 5000)`. `DBInstanceClassMemory` is what RDS leaves of the class's memory, so
 * the server allows somewhat fewer; small classes lose most. Undefined if the memory of the class is unknown.
 */
export function maxConnections(instanceType: string): number | undefined {
  const memory = memoryGiB(instanceType)
  return memory === undefined
    ? undefined
    : Math.min(Math.floor((memory * 2 ** 30) / bytesOfConnection), 5_000)
}

/** 2 for `large`, 4 for `xlarge`, 64 for `16xlarge`. */
function processorsOf(size: string): number | undefined {
  if (size === 'large') return 2
  const [, count] = /^(\d*)xlarge$/.exec(size) ?? []
  return count === undefined ? undefined : 4 * Number(count || 1)
}

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
