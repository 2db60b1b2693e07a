import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

/** What has passed between clients and the server. */
export interface Passed {
  logins: number
  /** How often a client waited for an answer, those of its logins included. */
  trips: number
  /** Bytes that clients have sent. */
  sent: number
  /** Bytes that the server has sent. */
  received: number
}

/** A way to the server that counts what passes. */
interface CountedWay {
  /** The same address, by this way. */
  url: string
  /** What has passed since the last call. */
  passed(): Passed
}

const nothing: Passed = { logins: 0, trips: 0, sent: 0, received: 0 }

/** Starts a TCP proxy in front of the server that counts. The proxy ends with the test. */
export async function countedWay(url: string): Promise<CountedWay> {
  const { hostname, port } = new URL(url)
  let counted = { ...nothing }
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    let waits = false
    counted.logins++
    client.setNoDelay(true).on('data', (piece) => {
      counted.sent += piece.length
      waits = true
      server.write(piece)
    })
    server.setNoDelay(true).on('data', (piece) => {
      counted.received += piece.length
      if (waits) counted.trips++
      waits = false
      client.write(piece)
    })
    client.on('close', () => server.destroy()).on('error', () => {})
    server.on('close', () => client.destroy()).on('error', () => {})
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    proxy.close()
  })
  const here = new URL(url)
  here.port = String((proxy.address() as AddressInfo).port)
  return {
    url: here.href,
    passed() {
      const sofar = counted
      counted = { ...nothing }
      return sofar
    },
  }
}
