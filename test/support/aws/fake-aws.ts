import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, onTestFinished, vi } from 'vitest'
import { type Address, addressKeys } from '../../../src/api/lambda/aws-names.ts'
import { muteConsole } from '../console.ts'

/** Lets clients of the AWS SDK speak to this endpoint, with credentials that nobody checks. The test puts it back. */
function pointSdkAt(url: string): void {
  vi.stubEnv('AWS_ENDPOINT_URL', url)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
}

/** An answer of Lambda: what the function answered, or the refusal to call it, as the service writes it. */
export type LambdaAnswer =
  | { answer: unknown; threw?: true }
  | { status: number; type: string; message: string }

/** Where the environment is that the command line looks for. */
const parameter: Partial<Address> = {
  apiUrl: 'https://api.example.com/',
  migrateArn: 'migrate-of-nowhere',
}

/**
 * A server that speaks as Lambda and SSM do, and gives these answers in turn, the last one for ever. Returns what was received,
 * and the functions that were called.
 */
export async function startLambda(
  answers: LambdaAnswer[],
): Promise<{ received: unknown[]; called: string[] }> {
  const received: unknown[] = []
  const called: string[] = []
  await serve(async (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers['x-amz-target'] === 'AmazonSSM.GetParameter')
      return void response.end(
        JSON.stringify({ Parameter: { Value: addressKeys.map((key) => parameter[key]).join() } }),
      )
    called.push(decodeURIComponent(request.url ?? '').split('/')[3] ?? '')
    const turn = Math.min(received.push(JSON.parse(await text(request))), answers.length) - 1
    const given = answers[turn] as LambdaAnswer
    if ('answer' in given)
      return void response
        .writeHead(200, given.threw && { 'x-amz-function-error': 'Unhandled' })
        .end(JSON.stringify(given.answer))
    response.writeHead(given.status, { 'content-type': 'application/json', 'x-amzn-errortype': given.type })
    response.end(JSON.stringify({ Type: 'User', Message: given.message }))
  })
  return { received, called }
}

async function serve(listener: RequestListener): Promise<void> {
  const server = createServer(listener)
  pointSdkAt(`http://127.0.0.1:${await listening(server)}`)
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
}

/**
 * A server that accepts connections, reads what it is sent, and never answers. With `https` a client waits for the end of
 * the TLS handshake. Returns how many connections it has accepted.
 */
export async function startSilence(protocol: 'http' | 'https'): Promise<{ connections: () => number }> {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => {
    sockets.push(socket.on('error', () => {}).resume())
  })
  pointSdkAt(`${protocol}://127.0.0.1:${await listening(server)}`)
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { connections: () => sockets.length }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/**
 * Makes calls to a server that refuses everything, at the true speed of the clock. The SDK loads files at its first call;
 * with `hurried`, minutes would go by meanwhile.
 */
export async function warmUp(calls: (() => Promise<unknown>)[]): Promise<void> {
  const server = createServer((_, response) => void response.writeHead(400).end('{}'))
  pointSdkAt(`http://127.0.0.1:${await listening(server)}`)
  await Promise.allSettled(calls.map((call) => call()))
  vi.unstubAllEnvs()
  server.close()
  server.closeAllConnections()
}

/**
 * Awaits work while the clock goes on much faster than it does: time-outs of minutes take no time. Connections are real.
 * The file of the test calls `useFakeClock`.
 */
export async function hurried<T>(work: Promise<T>, stepMs = 100): Promise<PromiseSettledResult<T>> {
  const settled = Promise.allSettled([work])
  let done = false
  settled.then(() => {
    done = true
  })
  while (!done) {
    // Some turns of the event loop, in which sockets deliver what they have, and the threads that read files, which a busy machine
    // holds up.
    for (let read = 0; read < 5; read++) {
      await stat('.')
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    await vi.advanceTimersByTimeAsync(stepMs)
  }
  const [result] = await settled
  return result
}

/** Before each test of a file fakes the functions of the clock that `hurried` drives; afterwards everything is as it was. */
export function useFakeClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    muteConsole()
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })
}
