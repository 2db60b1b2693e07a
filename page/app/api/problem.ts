import type { ProblemBody } from '../../../src/api/answers.ts'

/** A request that did not succeed, worded for the person at the page. */
export class ApiProblem extends Error {
  /** The API's code, or one of this page, its server or the proxy. */
  declare readonly code: string
  declare readonly title: string
  /** 0 if no answer came. */
  declare readonly status: number
  declare readonly runId: number | undefined
  declare readonly runningRunId: number | undefined
  declare readonly openBatchId: string | undefined

  constructor(
    status: number,
    code: string,
    title: string,
    detail: string,
    { runId, runningRunId, openBatchId }: Partial<ProblemBody> = {},
  ) {
    super(detail)
    Object.assign(this, { status, code, title, runId, runningRunId, openBatchId })
  }

  /** The section of the runbook about this problem; undefined for a code that is not one of the API's. */
  get runbook(): string | undefined {
    return ownCodes.has(this.code) ? undefined : this.code
  }
}

/** The codes of this page, of what serves it, and of the proxy: their messages say what to do. */
const ownCodes = new Set([
  'Unreachable',
  'Unexpected',
  'Forbidden',
  'NoCredentials',
  'NotAllowed',
  'NotReached',
  'NoAnswer',
  'TooManyRequests',
  'TooLarge',
  'MethodNotAllowed',
  'GatewayTimeout',
])

/**
 * The problem that an answer tells. API Gateway answers some requests itself, with a `message` instead of a
 * problem.
 */
export function problemOf(status: number, body: unknown): ApiProblem {
  const { code, title, detail, message } = (body ?? {}) as Partial<ProblemBody & { message: string }>
  if (code && detail) return new ApiProblem(status, code, title ?? code, detail, body as Partial<ProblemBody>)
  if (status === 403)
    return new ApiProblem(
      status,
      'NotAllowed',
      'Your AWS credentials do not allow this',
      'Ask for the managed policy, such as viewkeeper-<environment>-read, that allows this, or use other credentials.',
    )
  if (status === 429)
    return new ApiProblem(
      status,
      'TooManyRequests',
      'The API takes no more requests at the moment',
      'Wait a few seconds and try again.',
    )
  return new ApiProblem(
    status,
    'Unexpected',
    `The API answered with ${status}`,
    message ?? 'Try again in a minute. The log of the function has the reason.',
  )
}

/** No answer came. */
export const unreachable = (): ApiProblem =>
  new ApiProblem(
    0,
    'Unreachable',
    'No answer',
    'The server of this page does not answer. Does viewkeeper open, dev or serve still run?',
  )
