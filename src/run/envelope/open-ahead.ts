import type { Database } from '../../server/connect.ts'
import { type BatchConnection, openForBatch } from './run-connection.ts'

/** Connections for runs of a batch, opened before they are needed. Each has runs of one owner only. */
export interface OpenedAhead {
  /** Gives a connection for a run that may execute the code of this owner; null: of several. */
  take(owner: string | null): Promise<BatchConnection>
  /** Takes a connection back whose run was answered: it is used again, or closed. Settles when the run's locks are gone. */
  giveBack(connection: BatchConnection, owner: string | null): Promise<void>
  /** Opens connections until so many are ready, or as many are open as may be; does not wait for them. */
  fill(count: number): void
}

/** A connection that is ready, or soon will be. */
interface Ready {
  connection: Promise<BatchConnection>
  /** Whose code it has executed; undefined: nobody's. */
  owner?: string
}

/** Opens `ahead` connections, keeps up to `most` for further runs, and closes at the end those that nobody has taken. */
export async function withOpenedAhead<T>(
  database: Database,
  { ahead, most }: { ahead: number; most: number },
  work: (connections: OpenedAhead) => Promise<T>,
): Promise<T> {
  const ready: Ready[] = []
  let taken = 0
  /** Those of the taken that are on their way back. */
  const returning = new Set<Promise<void>>()
  let over = false
  const open = () => {
    const connection = openForBatch(database)
    connection.catch(() => {}) // the caller of `take` gets the error
    ready.push({ connection })
  }
  const close = ({ connection }: Ready) =>
    connection.then(
      ({ leave }) => leave(),
      () => {},
    )
  const fill = (wanted: number) => {
    while (ready.length < wanted && ready.length + taken < most) open()
  }
  const take = async (owner: string | null) => {
    while (ready.length === 0 && taken >= most && returning.size > 0) await Promise.race(returning)
    taken++
    const used = ready.findIndex((each) => each.owner === owner)
    const at = used >= 0 ? used : ready.findIndex((each) => each.owner === undefined)
    const [found] = at >= 0 ? ready.splice(at, 1) : []
    if (found !== undefined) return found.connection
    const other = ready.shift() // somebody else's: one is closed for each that is opened
    if (other !== undefined) await close(other)
    return openForBatch(database)
  }
  const giveBack = (connection: BatchConnection, owner: string | null) => {
    const returned = keepOrLeave(connection, owner).finally(() => returning.delete(returned))
    returning.add(returned)
    return returned
  }
  const keepOrLeave = async (connection: BatchConnection, owner: string | null) => {
    const isReset =
      owner !== null &&
      !over &&
      (await connection.reset().then(
        () => true,
        () => false,
      ))
    if (!over && isReset && ready.length + taken <= most)
      ready.push({ connection: Promise.resolve(connection), owner })
    else await connection.leave()
    taken--
  }
  fill(ahead)
  try {
    return await work({ fill, take, giveBack })
  } finally {
    over = true
    await Promise.all(ready.map(close))
  }
}
