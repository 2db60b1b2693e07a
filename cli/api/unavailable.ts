import { Problem } from '../../src/problem.ts'

/** Why an API cannot be had: the HTTP status and the title that the proxy of `viewkeeper open` answers. */
const reasons = {
  NoCredentials: { status: 401, title: 'There are no valid AWS credentials' },
  NotAllowed: { status: 403, title: 'Your AWS credentials do not allow this' },
  TooManyRequests: { status: 429, title: 'The API takes no more requests at the moment' },
  NotReached: { status: 502, title: 'The API cannot be reached' },
  NoAnswer: { status: 504, title: 'The API did not answer' },
} as const

export type UnavailableReason = keyof typeof reasons

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
