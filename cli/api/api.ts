import type { Problem } from '../../src/problem.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'

/** The HTTP API that a command works on: a deployed environment, or the local gateway. */
export interface Api {
  /** `production`, or the address of the gateway. */
  readonly name: string
  /** Null: no environment, so no signature. */
  readonly environment: string | null
  /** What people are told to type works on: this API again. */
  readonly typed: CommandTarget
  /** Without a slash at its end. */
  readonly url: string
  /**
   * Sends a request, and gives the body of an answer 2xx. `path` is encoded already and has no query. `wait` is in
   * seconds (`Prefer: wait`). Sends the request again only if nothing can have begun. Any other answer is thrown as a
   * {@link Problem} with the code, the detail and the ids of the answer; an API that cannot be had is thrown as
   * `ApiUnavailable`.
   */
  send<Body>(
    method: 'GET' | 'POST',
    path: string,
    options?: SendOptions,
  ): Promise<{ status: number; body: Body }>
  /** Sends a request once, signed if the API wants that, and gives whatever it answers. `path` may have a query. */
  forward(request: ApiRequest): Promise<Response>
}

export interface SendOptions {
  query?: Record<string, string | number | undefined>
  body?: object
  wait?: number
  idempotencyKey?: string
}

export interface ApiRequest {
  method: string
  path: string
  headers: Record<string, string>
  body?: Uint8Array
}

/** An API that does not know how people name it. */
export type Client = Omit<Api, 'typed'>
