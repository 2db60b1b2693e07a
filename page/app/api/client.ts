import { noteAnswer, noteSilence, tokenAsked } from './connection.ts'
import { ApiProblem, problemOf, unreachable } from './problem.ts'
import { tokenHeader } from './token.ts'

/** `GET`: the body of a 2xx answer. Throws an ApiProblem for anything else. */
export const get = <Body>(path: string, signal?: AbortSignal): Promise<Body> =>
  send<Body>('GET', path, { signal })

/** `POST` with a fresh idempotency key: the body of a 2xx answer. Throws an ApiProblem for anything else. */
export const post = <Body>(path: string, body?: object): Promise<Body> =>
  send<Body>('POST', path, {
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify(body ?? {}),
  })

/** Every item of a list that may come in several pages. */
export async function getAll<Page extends { next: string | null }>(
  path: string,
  join: (all: Page, page: Page) => Page,
  signal?: AbortSignal,
): Promise<Page> {
  let all = await get<Page>(path, signal)
  while (all.next !== null) {
    const page = await get<Page>(
      `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(all.next)}`,
      signal,
    )
    all = { ...join(all, page), next: page.next }
  }
  return all
}

async function send<Body>(method: string, path: string, init: RequestInit): Promise<Body> {
  let response: Response
  let body: unknown
  try {
    response = await fetch(path, { method, ...init, headers: { ...tokenHeader, ...init.headers } })
    body = await response.json().catch(() => undefined)
  } catch (error) {
    if (init.signal?.aborted) throw error
    noteSilence()
    throw unreachable()
  }
  noteAnswer(response.headers.get('date'))
  if (response.ok) return body as Body
  const problem = problemOf(response.status, body)
  if (problem.code === 'Unauthenticated') tokenAsked.set(problem.message)
  throw problem
}

/** Any thrown value as a problem. */
export const asProblem = (thrown: unknown): ApiProblem =>
  thrown instanceof ApiProblem
    ? thrown
    : new ApiProblem(0, 'Unexpected', 'Something went wrong in this page', `${thrown}. Reload the page.`)
