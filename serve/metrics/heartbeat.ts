import type { Logger } from '../../src/watch/log.ts'

const longestMs = 10_000

/**
 * Asks an address after a look of the monitor, for a service that tells somebody when it is asked no more. The address is a
 * secret: whoever knows it can keep the service quiet.
 */
export async function beat(url: string | undefined, logger: Logger): Promise<void> {
  if (url === undefined) return
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(longestMs) })
    await response.body?.cancel()
    if (!response.ok) logger.warn('the heartbeat was refused', { status: response.status })
  } catch (error) {
    logger.warn('the heartbeat did not arrive', { why: (error as Error).name })
  }
}
