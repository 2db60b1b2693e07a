import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerProblem } from '../../page/serve/answers.ts'
import { type ProblemCode, titleOf } from '../../src/problem.ts'

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

/** Whether the numbers of `GET /metrics` are asked for in the form of Prometheus. */
export const asksForText = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  /text\/plain|openmetrics-text/i.test(headers.accept ?? '')

/** Answers with the metrics of the process, for Prometheus. */
export async function answerMetrics(response: ServerResponse, { metrics }: Watched): Promise<void> {
  const { contentType, body } = await metrics()
  response
    .writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store', vary: 'accept' })
    .end(body)
}
