/** How long a client of the AWS SDK waits. */
interface ClientPatience {
  /** The longest wait for the answer to one request. */
  requestMs: number
  /** How often a request is sent at most. */
  attempts: number
}

const connectMs = 2000

/**
 * The settings that every client of the AWS SDK is made with, so that a missing endpoint or network rule is an error
 * instead of a function that hangs. Without `throwOnRequestTimeout` the SDK only writes a warning when the time is over.
 */
export const clientSettings = ({ requestMs, attempts }: ClientPatience) => ({
  maxAttempts: attempts,
  requestHandler: {
    connectionTimeout: connectMs,
    requestTimeout: requestMs,
    throwOnRequestTimeout: true,
  },
})
