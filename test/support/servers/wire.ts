import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

/** What has passed over one connection. */
interface Passed {
  /** How often the client waited for an answer, its login included. */
  trips: number
  /** Bytes that the client has sent. */
  sent: number
}

/** A way to the server that counts what passes. */
interface CountedWay {
  /** The same address, by this way. */
  url: string
  /** What has passed since the last call, by connections, in the order of their logins. */
  passed(): Passed[]
}

/** Starts a TCP proxy in front of the server that counts. The proxy ends with the test. */
export async function countedWay(url: string): Promise<CountedWay> {
  const { hostname, port } = new URL(url)
  let counted: Passed[] = []
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    const passed = { trips: 0, sent: 0 }
    counted.push(passed)
    let waits = false
    client.setNoDelay(true).on('data', (piece) => {
      passed.sent += piece.length
      waits = true
      server.write(piece)
    })
    server.setNoDelay(true).on('data', (piece) => {
      if (waits) passed.trips++
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
      counted = []
      return sofar
    },
  }
}
