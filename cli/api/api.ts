import type { Api as Routes } from '../../src/api/ask.ts'
import { Problem } from '../../src/problem.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'

/** Why an API cannot be had: the HTTP status and the title that the proxy of `viewkeeper open` answers. */
const reasons = {
  NoCredentials: { status: 401, title: 'There are no valid AWS credentials' },
  NotAllowed: { status: 403, title: 'Your AWS credentials do not allow this' },
  TooManyRequests: { status: 429, title: 'The API takes no more requests at the moment' },
  NotReached: { status: 502, title: 'The API cannot be reached' },
  NoAnswer: { status: 504, title: 'The API did not answer' },
} as const

type UnavailableReason = keyof typeof reasons

/**
 * The API cannot be reached, does not answer, or does not let the caller in. Only the caller's side can know this: such
 * a reason never stands in an answer of the API.
 */
export class ApiUnavailable extends Problem {
  readonly reason: UnavailableReason

  constructor(reason: UnavailableReason, message: string, cause?: unknown) {
    super('FunctionUnavailable', message, { cause })
    this.reason = reason
  }

  get status(): number {
    return reasons[this.reason].status
  }

  get title(): string {
    return reasons[this.reason].title
  }
}

/**
 * The HTTP API that a command works on: a deployed environment, or the local gateway. A request is sent again only if nothing can
 * have begun; an API that cannot be had is thrown as `ApiUnavailable`.
 */
export interface Api extends Routes {
  /** `production`, or the address of the gateway. */
  readonly name: string
  /** Null: no environment, so no signature. */
  readonly environment: string | null
  /** What people are told to type works on: this API again. */
  readonly typed: CommandTarget
  /** Without a slash at its end. */
  readonly url: string
  /** Sends a request once, signed if the API wants that, and gives whatever it answers. `path` may have a query. */
  forward(request: ApiRequest): Promise<Response>
}

export interface ApiRequest {
  method: string
  path: string
  headers: Record<string, string>
  body?: Uint8Array
}

/** An API that does not know how people name it. */
export type Client = Omit<Api, 'typed'>
