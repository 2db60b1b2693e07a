import type { Api as Routes } from '../../src/api/ask.ts'
import type { PolicyName } from '../../src/api/route.ts'
import { routeAt } from '../../src/api/routes.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { Problem, type ProblemCode, problemCodes } from '../../src/words/problem.ts'

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
  /** The name of the managed policy of the environment that allows as much; undefined: no environment of AWS. */
  readonly policyFor?: ((policy: PolicyName) => string) | undefined
  /** What people are told to type works on: this API again. */
  readonly typed: CommandTarget
  /** Without a slash at its end. */
  readonly url: string
  /** Of a database without a server: advances this batch in this process, unless another process does. */
  attend?(batchId: string): Promise<void>
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

/** What a request asked, and of which API. */
export interface Asked {
  method: string
  /** May have a query. */
  path: string
  api: Pick<Api, 'name' | 'environment' | 'url' | 'policyFor'>
}

/** Whether an answer comes from API Gateway or something else in between, and not from Viewkeeper. */
export const isOfGateway = ({ headers }: Pick<Response, 'headers'>): boolean =>
  !(headers.get('content-type') ?? '').startsWith('application/problem+json')

/** The problem that an answer other than 2xx tells, in words for the person who asked. */
export async function problemOf(response: Response, asked: Asked): Promise<Problem> {
  const text = await response.text().catch(() => '')
  return isOfGateway(response) ? problemOfGateway(response.status, text, asked) : problemOfViewkeeper(text)
}

function problemOfViewkeeper(text: string): Problem {
  const { code, detail, status, ...fields } = fieldsOf(text)
  const known = problemCodes.find((each) => each === code)
  // A newer API, or the gateway of npm start, has codes that this version lacks.
  const fallback: ProblemCode = (status ?? 500) >= 500 ? 'FunctionUnavailable' : 'InvalidRequest'
  const { field, runId, runningRunId, batchId, openBatchId, sqlstate, next } = fields
  const details = { field, runId, runningRunId, batchId, openBatchId, sqlstate, next }
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return new Problem(known ?? fallback, detail ?? 'The API gave no reason.', given)
}

/** API Gateway answers `{ "message": … }`, and a REST API sometimes `{ "Message": … }`. */
function problemOfGateway(status: number, text: string, { method, path, api }: Asked): Problem {
  const message = messageOf(text)
  const said = message === '' ? '' : ` API Gateway says: ${message.replace(/\.?$/, '.')}`
  const what = `${method} ${path.split('?')[0]}`
  if (status === 403) return notAllowed(message, said, { method, path, api })
  if (status === 429)
    return new ApiUnavailable(
      'TooManyRequests',
      `${api.name} gets too many requests at the moment, and has not begun this one. Try again in some seconds; ` +
        '`requestsPerSecond` of the environment sets the limit.',
    )
  if (status >= 500)
    return new ApiUnavailable(
      'NoAnswer',
      `${api.name}: ${what} was answered with ${status}.${said} If nobody has called Viewkeeper for weeks, Lambda ` +
        'takes about a minute to wake it: try again then. Otherwise the log of the function says more.',
    )
  if (status === 404)
    return new Problem(
      'UnknownRoute',
      `${api.url} has no ${what}. Is it the address of a Viewkeeper API, and as new as this command line?`,
    )
  return new ApiUnavailable(
    'NotReached',
    `${api.url} answered ${what} with ${status}.${said} Is it the address of a Viewkeeper API?`,
  )
}

function notAllowed(message: string, said: string, { method, path, api }: Asked): ApiUnavailable {
  if (isExpired(message))
    return new ApiUnavailable(
      'NoCredentials',
      `The AWS credentials have expired, or the clock of this machine is wrong.${said} ${howToSignIn()}`,
    )
  const route = routeAt(method, path.split('?')[0] as string)
  const policy =
    route && api.policyFor
      ? ` The managed policy ${api.policyFor(route.policy)} allows it: have it attached to your user or role.`
      : ' Have your user or role allowed execute-api:Invoke on it.'
  return new ApiUnavailable(
    'NotAllowed',
    `Your AWS credentials may not ${method} ${path.split('?')[0]} of ${api.name}.${policy}${said}`,
  )
}

/** Whether API Gateway refused a request because its credentials, or its signature, are too old. */
export const isExpired = (message: string): boolean =>
  /expired|not yet current|security token .* invalid/i.test(message)

/** What to type to have valid AWS credentials again. */
export function howToSignIn(): string {
  const profile = process.env.AWS_PROFILE
  return (
    `Sign in again, for example with \`aws sso login${profile ? ` --profile ${profile}` : ''}\`; ` +
    '`aws sts get-caller-identity` shows who you are.'
  )
}

/** What API Gateway says in an answer of its own; empty if nothing. */
export const messageOf = (text: string): string => {
  const { message, Message } = fieldsOf(text)
  return message ?? Message ?? ''
}

interface AnswerFields {
  code?: string
  detail?: string
  status?: number
  field?: string
  runId?: number
  runningRunId?: number
  batchId?: string
  openBatchId?: string
  sqlstate?: string
  next?: string
  message?: string | null
  Message?: string | null
}

/** The fields of a JSON object; none if the text is none. */
function fieldsOf(text: string): AnswerFields {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}
