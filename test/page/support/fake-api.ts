import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PageTarget } from '../../../page/app.tsx'
import { asksForPage, pageFor } from '../../../page/serve.ts'
import type { Api } from '../../../src/api/ask.ts'
import type { CommandTarget } from '../../../src/words/commands.ts'
import { Problem } from '../../../src/words/problem.ts'

interface Asked {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  body: unknown
}

/** The body of a 200, or a promise of it; a Problem, which is thrown; undefined: there is no such route. */
export type Answers = (asked: Asked) => object | undefined

/** An API that says what a test wants, and what it was asked. */
export function fakeApi(answers: Answers): Api & { asked: Asked[] } {
  const asked: Asked[] = []
  return {
    asked,
    async send<Body>(
      method: string,
      path: string,
      { query = {}, body }: { query?: object; body?: object } = {},
    ) {
      const given = Object.entries(query).filter(([, value]) => value !== undefined)
      const question = { method, path: decodeURIComponent(path), query: new URLSearchParams(given), body }
      asked.push(question)
      const answer = await answers(question)
      if (answer instanceof Error) throw answer
      if (answer === undefined) throw new Problem('UnknownRoute', `There is no ${method} ${path}.`)
      return { status: 200, body: answer as Body }
    },
  }
}

/** Serves the page with an API that says what a test wants. */
export async function startFakeApi(
  answers: Answers,
  environment: string | null = 'production',
  more: Pick<PageTarget, 'events'> & { typed?: CommandTarget } = {},
) {
  const api = fakeApi(answers)
  const page = pageFor({
    target: () => ({ name: environment ?? 'local', environment, url: 'https://api.example', ...more }),
    apiOf: () => api,
    onDefect: console.error,
  })
  const server = createServer((request, response) => {
    if (asksForPage(request)) return void page(request, response)
    response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked: api.asked,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
