import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database } from '../../../src/server/database.ts'

/** A proxy to the server that breaks connections when a test wants it to. */
interface BreakableWay {
  database: Database
  port: number
  /** Resets the connections whose application name matches; without a name, all connections. */
  reset(application?: RegExp): void
  /** As `reset`, after `pieces` more pieces of data have passed. */
  resetAfter(pieces: number, application?: RegExp): Promise<void>
}

/** Starts a TCP proxy in front of the server. The proxy ends with the test. */
export async function breakableWay(url: string): Promise<BreakableWay> {
  const { hostname, port } = new URL(url)
  const connections: { client: Socket; server: Socket; application: string }[] = []
  let piecesLeft = Number.POSITIVE_INFINITY
  let breakNow = () => {}
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    const connection = { client, server, application: '' }
    connections.push(connection)
    client.once('data', (startUp: Buffer) => {
      connection.application = /\0application_name\0([^\0]*)/.exec(startUp.toString('latin1'))?.[1] ?? ''
    })
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true)
      from.on('data', (piece) => {
        if (piecesLeft-- <= 0) breakNow()
        if (!to.destroyed) to.write(piece)
      })
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    proxy.close()
    for (const { client, server } of connections) {
      client.destroy()
      server.destroy()
    }
  })
  const here = new URL(url)
  here.port = String((proxy.address() as AddressInfo).port)
  const reset = (named = /^/) => {
    for (const { client, server, application } of connections) {
      if (!named.test(application)) continue
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }
  return {
    database: connectTo(fromUrl(here.href)),
    port: Number(here.port),
    reset,
    resetAfter(pieces, application) {
      piecesLeft = pieces
      return new Promise((resolve) => {
        breakNow = () => {
          piecesLeft = Number.POSITIVE_INFINITY
          reset(application)
          resolve()
        }
      })
    },
  }
}
