import type { Api as Routes } from '../../src/api/ask.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'

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
