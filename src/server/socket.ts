import { connect, type Socket } from 'node:net'

/** Something between Lambda and RDS forgets a connection that was silent for about 350 s. */
const keepAliveMs = 30_000

let openNow = 0

/** How many sockets to databases this process has open. */
export const openSockets = (): number => openNow

/** A socket that the caller can destroy, and that is opened once only. */
export interface OwnSocket {
  open(): Promise<Socket>
  destroy(): void
}

/**
 * If the socket breaks, `onBroken` is called. Otherwise postgres.js would open another socket without an
 * error, and the new session would lack our settings. To end, postgres.js only half-closes its socket; in a
 * warm Lambda such sockets would pile up while the server works on.
 */
export function ownSocket(
  { host, hostaddr = host, port, path }: { host: string; hostaddr?: string; port: number; path?: string },
  onBroken: () => void,
): OwnSocket {
  let socket: Socket | undefined
  return {
    open: () =>
      new Promise((resolve, reject) => {
        if (socket !== undefined) {
          onBroken()
          reject(Object.assign(new Error('The connection broke'), { code: 'CONNECTION_CLOSED' }))
          return
        }
        const opened = connect({
          host: hostaddr,
          port,
          path,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: keepAliveMs,
        })
        // postgres.js tells the server this name when TLS begins: some choose the database by it.
        Object.assign(opened, { host })
        socket = opened
        openNow++
        opened.once('close', () => openNow--)
        opened.once('error', reject)
        opened.once('connect', () => {
          opened.removeListener('error', reject)
          resolve(opened)
        })
      }),
    destroy: () => socket?.destroy(),
  }
}
