import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda'
import { Problem, problemCodes } from '../../words/problem.ts'

interface Until {
  /** After this time (epoch milliseconds) a function that sleeps or is throttled is not called again. */
  tryUntil: number
  /** After this time (epoch milliseconds) nobody waits for the answer any more. */
  until: number
  /** How often a function that is throttled is called again, which takes concurrency of others. Default: until `tryUntil`. */
  mostThrottled?: number
  /** Whether the right to call is so new that IAM may refuse it for some seconds yet. Default false. */
  justGranted?: boolean
}

/**
 * Errors of a function that sleeps: after weeks without a call Lambda takes its network interfaces away, the next call fails
 * and has them made again, which takes about a minute. The first name is the documented one, the second was seen
 * (github.com/boto/boto3/issues/3788), and the third is that of any function that is not ready yet.
 */
const asleep = ['ResourceNotReadyException', 'CodeArtifactUserPendingException', 'ResourceConflictException']
const throttled = ['TooManyRequestsException', 'EC2ThrottledException']
/** The network of the functions has no address or interface left. */
const noPlace = ['ENILimitReachedException', 'SubnetIPAddressLimitReachedException']

const longestPauseMs = 5000

/**
 * Calls a function and waits for its answer. Calls it again while it sleeps or is throttled: Lambda has not run it then.
 * FunctionUnavailable: it still does, or there was no answer in time, and nobody knows what the function has done. What the
 * function throws is thrown as the Problem that it was. Any other error of the SDK is thrown as it is.
 */
export async function invokeFunction<Answer>(
  lambda: LambdaClient,
  name: string | undefined,
  payload: object,
  { tryUntil, until, mostThrottled = Number.POSITIVE_INFINITY, justGranted = false }: Until,
): Promise<Answer> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), until - Date.now())
  try {
    for (let pauseMs = 1000, times = 0; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        const command = new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload) })
        const { Payload, FunctionError } = await lambda.send(command, { abortSignal: late.signal })
        const answer = JSON.parse(Payload?.transformToString() || 'null')
        if (FunctionError === undefined) return answer
        throw thrownBy(name, answer)
      } catch (error) {
        const why = whyUnavailable(error as Error, justGranted)
        if (why === undefined) throw error
        if (throttled.includes((error as Error).name)) times++
        if (why === noAnswer || times > mostThrottled || Date.now() + pauseMs > tryUntil)
          throw new Problem('FunctionUnavailable', `${name} ${why}`, { cause: error })
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

/** What a function has thrown, as Lambda tells it. */
function thrownBy(
  name: string | undefined,
  told: { errorType?: string; errorMessage?: string } | null,
): Problem {
  const { errorType, errorMessage } = told ?? {}
  return new Problem(
    problemCodes.find((code) => code === errorType) ?? 'InternalError',
    errorMessage ?? `The function ${name} failed; its log says why.`,
  )
}

const noAnswer =
  'did not answer in time. The function may have done its work all the same: look before you send the request again.'

function whyUnavailable({ name, message }: Error, justGranted: boolean): string | undefined {
  if (name === 'TimeoutError' || name === 'AbortError') return noAnswer
  if (asleep.includes(name))
    return `is not ready: Lambda takes about a minute to wake a function that nobody has called for weeks (${name}). Nothing was begun: try again in a minute.`
  if (throttled.includes(name))
    return `was not run: Lambda has no concurrency left in this account and region, or gets too many requests (${name}). Nothing was begun: try again in some seconds.`
  if (noPlace.includes(name))
    return `was not run: the subnets of the functions, or the account, have no address or interface left (${name}). Nothing was begun: give them larger subnets.`
  if (justGranted && name === 'AccessDeniedException') return `may not be called: ${message}`
  return undefined
}
