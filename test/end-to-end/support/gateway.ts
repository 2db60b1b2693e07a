import { createConnection } from 'node:net'
import { onTestFinished } from 'vitest'
import { startGateway } from '../../../serve/http/gateway.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { type AskedRoute, answering, servedOn } from '../../support/api/served.ts'

/** A gateway whose routes only note how they were asked. */
export async function echo() {
  const calls: AskedRoute[] = []
  const started = await start((asked) => {
    calls.push(asked)
    return {}
  })
  return { ...started, calls }
}

/** No server listens on this port, so every route that needs a database answers with 503. */
const nowhere = 'postgres://postgres@127.0.0.1:1/postgres'

/** A gateway whose routes this answers, or else their use cases, without a database; it ends with the test. */
export async function start(answer?: (asked: AskedRoute) => unknown, more: object = {}) {
  const { url, close } = await startGateway({
    port: 0,
    served: { ...servedOn(connectTo(fromUrl(nowhere))), ...more },
    ...(answer && { routes: answering(answer) }),
  })
  onTestFinished(close)
  return { url, port: Number(new URL(url).port) }
}

/**
 * Sends a request as it stands, byte for byte, because clients put a path, a `Host` or an `Origin` of their own. The connection
 * stays open until the server closes it.
 */
export async function raw(port: number, lines: string[], address = '127.0.0.1'): Promise<string> {
  const socket = createConnection(port, address).setEncoding('utf8')
  socket.write(Buffer.from(lines.join('\r\n'), 'latin1'))
  return (await socket.toArray()).join('')
}
