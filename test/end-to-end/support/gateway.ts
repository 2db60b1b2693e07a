import { createConnection } from 'node:net'
import type { APIGatewayProxyEventV2WithIAMAuthorizer, Context } from 'aws-lambda'
import { onTestFinished } from 'vitest'
import { startGateway } from '../../../serve/http/gateway.ts'
import type { Handler } from '../../../serve/http/invoke.ts'
import type { HttpFunctionName } from '../../../src/api/routes.ts'

interface Call {
  name: string
  event: APIGatewayProxyEventV2WithIAMAuthorizer
  context: Context
}

/** A gateway whose functions only note how they were called. */
export async function echo() {
  const calls: Call[] = []
  const started = await start(async (name) => async (event, context) => {
    calls.push({ name, event: event as Call['event'], context })
    return { statusCode: 200, body: '{}' }
  })
  return { ...started, calls }
}

/** A gateway before these functions; it ends with the test. */
export async function start(functions: (name: HttpFunctionName) => Promise<Handler>) {
  const { url, close } = await startGateway({ port: 0, functions })
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
