import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { problemAnswer } from '../../src/edge/http/http.ts'
import type { HttpFunctionName } from '../../src/edge/http/routes.ts'
import { Problem } from '../../src/problem.ts'
import { LocalProblem } from '../process/problem.ts'
import { answer, answerProblem } from './answer.ts'
import { mostRunsAtOnce } from './connections.ts'
import { splitTarget, toEvent } from './event.ts'
import { refusalOf } from './guard.ts'
import { type Handler, invoke, loadFunction } from './invoke.ts'
import { matchRoute } from './match.ts'

const largestBody = 10 * 1024 * 1024
/** The longest wait of API Gateway for a function. */
const timeoutSeconds = 30

type LoadFunction = (name: HttpFunctionName) => Promise<Handler>

export interface Gateway {
  url: string
  close(): Promise<void>
}

/**
 * Serves the routes of `src/edge/http/routes.ts` on 127.0.0.1. Calls the functions' handlers as API Gateway's
 * HTTP API and Lambda do. Requests need no signature: only this machine can connect, and `Host` and `Origin`
 * are checked.
 */
export async function startGateway(options: { port: number; functions?: LoadFunction }): Promise<Gateway> {
  const { functions = loadFunction } = options
  process.env.BATCH_RUNS_AT_ONCE = String(mostRunsAtOnce)
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo
    handle(request, response, port, functions).catch((error) => {
      if (response.destroyed) return // the client has left, or npm start is stopping
      if (error instanceof Problem) return answer(response, problemAnswer(error))
      console.error(error)
      if (response.headersSent) response.destroy()
      else
        answerProblem(
          response,
          500,
          'InternalError',
          'Something went wrong',
          'The function failed; its error is in the terminal.',
        )
    })
  })
  try {
    server.listen(options.port, '127.0.0.1')
    await once(server, 'listening')
  } catch (cause) {
    throw new LocalProblem(whyNot(cause as NodeJS.ErrnoException, options.port), { cause })
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  port: number,
  functions: LoadFunction,
): Promise<void> {
  const refusal = refusalOf(request, port)
  if (refusal) return answerProblem(response, 403, 'Forbidden', 'Not from this machine', refusal)
  const { path } = splitTarget(request.url!)
  const match = matchRoute(request.method!, path)
  if (!match) {
    const detail = `There is no ${request.method} ${path}. GET /openapi.json lists the routes.`
    return answerProblem(response, 404, 'UnknownRoute', 'No such route', detail)
  }
  const body = await readBody(request)
  if (!body)
    return answerProblem(response, 413, 'TooLarge', 'The request is too large', 'A body has at most 10 MB.')
  const { function: name } = match.route
  const event = toEvent(request, body, match)
  const handler = await functions(name)
  const result = await withDeadline(invoke(name, handler, event, timeoutSeconds))
  if (result !== late) return answer(response, result)
  const detail = `Function ${name} took more than ${timeoutSeconds} s.`
  answerProblem(response, 503, 'GatewayTimeout', 'No answer in time', detail)
}

const late = Symbol()

async function withDeadline(work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutSeconds * 1000, late)
  })
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer))
}

/** The whole body; undefined if it is larger than API Gateway allows. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    // A large body is read to its end, too: a client that is still sending would not see the answer.
    if (size <= largestBody) chunks.push(chunk)
  }
  return size <= largestBody ? Buffer.concat(chunks) : undefined
}

function whyNot({ code, message }: NodeJS.ErrnoException, port: number): string {
  if (code === 'EADDRINUSE') return `port ${port} is taken: set PORT to another one`
  if (code === 'EACCES') return `port ${port} may not be used by this user: set PORT to one above 1023`
  return `cannot listen on port ${port}: ${message}`
}
