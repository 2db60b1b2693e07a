import { connect, type Socket } from 'node:net'

/** Something between Lambda and RDS forgets a connection that was silent for about 350 s. */
const keepAliveMs = 30_000

/** A socket that is ours to destroy, and that is opened once. */
export interface OwnSocket {
  open(): Promise<Socket>
  destroy(): void
}

/**
 * postgres.js would open another socket when this one breaks, without a word: the new session would lack our settings.
 * `onBroken` is called instead. And it only half-closes one that it leaves, which in a warm Lambda would pile up for as long as the server works on.
 */
export function ownSocket(host: string, port: number, onBroken: () => void): OwnSocket {
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
          host,
          port,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: keepAliveMs,
        })
        socket = opened
        opened.once('error', reject)
        opened.once('connect', () => {
          opened.removeListener('error', reject)
          resolve(opened)
        })
      }),
    destroy: () => socket?.destroy(),
  }
}
