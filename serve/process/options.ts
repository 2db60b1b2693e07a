import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A problem that the person at the terminal can solve. It is shown as one line, without a stack. */
export class LocalProblem extends Error {
  override name = 'LocalProblem'
}

interface LocalOptions {
  /** Where to listen; undefined: at the usual port, or at a free one near it. */
  port: number | undefined
  /** The folder for the data, the log and the password of the embedded server. */
  folder: string
  /** Another PostgreSQL, used instead of the embedded one. */
  databaseUrl?: string
}

/** Reads PORT, DATA_DIR and DATABASE_URL. An empty variable counts as not set. */
export function readOptions(env: NodeJS.ProcessEnv): LocalOptions {
  return {
    port: portOf(env),
    folder: env.DATA_DIR || '.viewkeeper',
    databaseUrl: env.DATABASE_URL || undefined,
  }
}

/** The port that PORT names; undefined if it names none. Refuses what is no port. */
export function portOf(env: NodeJS.ProcessEnv): number | undefined {
  if (!env.PORT) return undefined
  const port = Number(env.PORT)
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port
  throw new LocalProblem(
    `PORT is ${env.PORT}: it must be a number from 1 to 65535. Change it, or: unset PORT`,
  )
}

/** A port on 127.0.0.1 that nobody uses at this moment. */
export const findFreePort = async (): Promise<number> => (await tryPort(0))!

/** Whether nobody listens on this port of an address of this machine. */
export const isPortFree = async (port: number, host?: string): Promise<boolean> =>
  (await tryPort(port, host)) !== undefined

async function tryPort(port: number, host = '127.0.0.1'): Promise<number | undefined> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch {
    return undefined
  }
  const found = (server.address() as AddressInfo).port
  server.close()
  await once(server, 'close')
  return found
}
