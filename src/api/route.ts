import type * as z from 'zod/mini'
import type { BatchDefaults } from '../batch/plan/plan-batch.ts'
import type { Schedules } from '../due/schedules.ts'
import type { Logger } from '../keeper/terms.ts'
import type { Database } from '../server/database.ts'
import type { CommandTarget } from '../words/commands.ts'
import type { Trigger } from '../words/run.ts'
import type { HttpFunctionName } from './functions.ts'

/** What callers may do: the managed policies of an environment, and the rights of tokens. Each allows what the ones before it allow, and more. */
export const policyNames = ['read', 'refresh', 'operate', 'define'] as const

export type PolicyName = (typeof policyNames)[number]

/** Whether one policy allows what another one allows. */
export const includes = (policy: PolicyName, other: PolicyName): boolean =>
  policyNames.indexOf(policy) >= policyNames.indexOf(other)

/** Who asks, and how long they wait: all that a door tells of its caller. */
export interface Caller {
  trigger: Trigger
  /** As the record names it: an IAM ARN, `token:<name>`, a person of this machine, a program. */
  requestedBy: string
  /** The owner of idempotency keys: the same without what differs between sessions of one role. */
  caller: string
  idempotencyKey: string | null
  /** Until when the caller waits for an end (epoch milliseconds). */
  waitUntil: number
}

/** How a method is called. */
export interface CallOptions {
  /** Ends the wait (Canceled). What has begun goes on in the server; before that, nothing begins. */
  signal?: AbortSignal
  /** The same key for the same request is the same run or batch. */
  idempotencyKey?: string
  /** How long an operation is waited for; after it, the answer's status is `running`. Default: a day; for a cancel, 25 s. */
  waitSeconds?: number
}

/** How a door knows its callers: signatures of IAM, tokens, or it takes everybody on its machine. */
export type Security = 'iam' | 'token' | 'none'

/** What routes work with: a database, and what an environment says of it. */
export interface Served {
  database: Database
  schedules: Schedules
  /** What commands that an answer suggests name; null: nothing, they work here. */
  typed: CommandTarget
  /** What a batch takes from the environment if its request does not say otherwise. */
  batchDefaults?: BatchDefaults | undefined
  /** Default: `iam`. */
  security?: Security
  logger: Logger
  /** What has begun a run, as the record says it. Default: `http`. */
  trigger?: Trigger
  /** Has a recorded batch advanced until it is done. */
  advance(batchId: string): void
}

/** A body before JSON has written its moments as texts. */
type Unwritten<Body> = Body extends string
  ? Body | Date
  : Body extends readonly (infer Each)[]
    ? Unwritten<Each>[]
    : Body extends object
      ? { [Field in keyof Body]: Unwritten<Body[Field]> }
      : Body

type Part = z.ZodMiniObject | undefined
type FieldsOf<Given extends Part> = Given extends z.ZodMiniObject ? z.output<Given> : unknown
type InputOf<Path extends Part, Query extends Part, Body extends Part> = FieldsOf<Path> &
  FieldsOf<Query> &
  FieldsOf<Body>

/** All that there is to say about one question: how it is asked, by whom, and what answers it. */
export interface Route<
  Method extends 'GET' | 'POST' = 'GET' | 'POST',
  Path extends Part = Part,
  Query extends Part = Part,
  Body extends Part = Part,
  Gives extends z.core.$ZodType = z.core.$ZodType,
  Text extends `/${string}` = `/${string}`,
> {
  method: Method
  /** As API Gateway's HTTP API writes it. */
  path: Text
  /** The narrowest of the managed policies that allows the route. */
  policy: PolicyName
  /** The Lambda that answers. */
  function: HttpFunctionName
  /** What it does, in one sentence without a full stop. */
  says: string
  /** What people read of the route in docs/http.md, with links relative to it. Default: `says`. */
  does?: string
  takes?: { path?: Path; query?: Query; body?: Body }
  /** What the caller may wait for (`Prefer: wait`): the end of a run, or at least 3 s for that of what is canceled. */
  waits?: 'for the end' | 'for the cancel'
  /** What requests of one caller with the same Idempotency-Key are one of. */
  key?: 'run' | 'batch'
  /** The schema of what it answers. Loaded for the OpenAPI file and by clients only. */
  gives(): Promise<Gives>
  /** Where what has begun can be looked at while it goes on; null: it has ended. */
  location?(answer: z.output<Gives>): string | null
  /** Answers. Throws a Problem for what is refused or has failed. */
  answer(
    served: Served,
    input: InputOf<Path, Query, Body>,
    caller: Caller,
  ): Promise<Unwritten<z.output<Gives>>>
}

/** A route: one declaration, from which HTTP, OpenAPI, rights, clients and the engine's methods come. */
export const route = <
  Method extends 'GET' | 'POST',
  Gives extends z.core.$ZodType,
  Path extends Part = undefined,
  Query extends Part = undefined,
  Body extends Part = undefined,
  Text extends `/${string}` = `/${string}`,
>(
  declared: Route<Method, Path, Query, Body, Gives, Text>,
): Route<Method, Path, Query, Body, Gives, Text> => declared

/** Where a run that goes on can be looked at. */
export const goesOn = ({ status, runId }: { status: string; runId: number }): string | null =>
  status === 'running' ? `/runs/${runId}` : null

/** API Gateway's name of a route, as it stands in an event's `routeKey`: `GET /views/{view}`. */
export const routeKey = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`

/** A route, whatever it takes and gives. */
export type AnyRoute = Pick<Route, Exclude<keyof Route, 'gives' | 'location' | 'answer'>> & {
  gives(): Promise<z.core.$ZodType>
  // biome-ignore lint/suspicious/noExplicitAny: what it takes is checked by its own schemas
  location?(answer: any): string | null
  // biome-ignore lint/suspicious/noExplicitAny: the same
  answer(served: any, input: any, caller: any): Promise<unknown>
}
