import type { ServerResponse } from 'node:http'
import { bodyOfProblem } from '../../src/problem.ts'

/** Nothing that such a server answers is for another site's page, and no answer but the page itself runs anything. */
export function protect(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
}

export interface OwnProblem {
  status: number
  /** A word for programs. Codes of the server on loopback are none of the API. */
  code: string
  title: string
  /** What happened, to what, and what to do next. */
  detail: string
}

/** Answers with a problem of the server on loopback itself, in the form of the API. */
export function answerProblem(response: ServerResponse, problem: OwnProblem) {
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  })
  response.end(`${JSON.stringify(bodyOfProblem(problem), null, 2)}\n`)
}

/** A request that is refused because of where it comes from. */
export const forbidden = (detail: string): OwnProblem => ({
  status: 403,
  code: 'Forbidden',
  title: 'Not from this page',
  detail,
})

/** A body that API Gateway would refuse. */
export const tooLarge: OwnProblem = {
  status: 413,
  code: 'TooLarge',
  title: 'The request is too large',
  detail: 'A body has at most 10 MB.',
}
