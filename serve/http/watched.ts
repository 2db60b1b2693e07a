import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerProblem } from '../../page/serve/answers.ts'
import { type ProblemCode, titleOf } from '../../src/problem.ts'
import type { Doorkeeper } from '../tokens/doorkeeper.ts'

/** What a process tells of itself and of its database, beside the API. */
export interface Watched {
  /** Why it is not ready; null: it is. */
  whyNotReady(): Promise<ProblemCode | null>
  /** The answer for Prometheus. */
  metrics(): Promise<{ contentType: string; body: string }>
}

/** Answers `/healthz` and `/readyz`, which need no token and so tell nothing of the database but a code. False: another path. */
export async function answerHealth(
  path: string,
  response: ServerResponse,
  { whyNotReady }: Watched,
): Promise<boolean> {
  if (path !== '/healthz' && path !== '/readyz') return false
  const code = path === '/readyz' ? await whyNotReady() : null
  const detail = 'The log of the process says more, and so does: viewkeeper doctor'
  if (code !== null) answerProblem(response, { status: 503, code, title: titleOf(code), detail })
  else response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end('ok\n')
  return true
}

/** Answers with the metrics of the process, for Prometheus. Throws the Problem of a caller who may not read them. */
export async function answerMetrics(
  { headersDistinct, socket }: IncomingMessage,
  response: ServerResponse,
  { metrics }: Watched,
  doorkeeper: Doorkeeper | undefined,
): Promise<void> {
  // Without the database there are no numbers of views to keep from anybody; that it is away has to be told.
  await doorkeeper?.authorize(headersDistinct.authorization, 'read', socket.remoteAddress ?? '', true)
  const { contentType, body } = await metrics()
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body)
}
