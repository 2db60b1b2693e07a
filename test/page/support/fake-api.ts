import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { PageTarget } from '../../../page/serve/files.ts'
import { pageFor } from '../../../page/serve/page.ts'
import { servePage } from '../../../page/serve/serve.ts'

interface Asked {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  body: unknown
}

/** The body of a 200; or a status with a body; undefined: 404. */
export type Answers = (asked: Asked) => object | { status: number; body: object } | undefined

/** Serves the page with an API that says what a test wants. */
export async function startFakeApi(
  answers: Answers,
  environment: string | null = 'production',
  more: Pick<PageTarget, 'typed'> = {},
) {
  const target = { name: environment ?? 'local', environment, url: 'https://api.example', ...more }
  const files = await pageFor(() => target)()
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    if (servePage(request, response, files)) return
    const url = new URL(request.url!, 'http://page')
    const method = request.method!
    const body = method === 'POST' ? await json(request).catch(() => undefined) : undefined
    const question = { method, path: decodeURIComponent(url.pathname), query: url.searchParams, body }
    asked.push(question)
    const answer = answers(question)
    const problem = {
      code: 'UnknownRoute',
      title: 'No such route',
      detail: `There is no ${method} ${url.pathname}.`,
    }
    const { status, body: sent } =
      answer === undefined
        ? { status: 404, body: problem }
        : 'status' in answer && 'body' in answer
          ? (answer as { status: number; body: object })
          : { status: 200, body: answer }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(sent))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
