import { once } from 'node:events'
import type { Notify } from '../../src/config/fields.ts'
import type { ServeOptions } from '../../src/config/options.ts'
import { readSecret } from '../../src/keeper/database-url.ts'
import type { StartOptions } from '../../src/keeper/keeper.ts'
import type { Logger } from '../../src/keeper/terms.ts'
import { localEnvironment } from '../../src/keeper/terms.ts'
import { readSchemaSteps } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import type { Database } from '../../src/server/connect.ts'
import type { Watched } from '../http/gateway.ts'
import { atMostOften, makeMetrics, whyLeaderless, whyNotReady } from '../metrics/metrics.ts'
import { channelsOf } from '../news/channels.ts'
import type { Follower } from '../news/follow.ts'
import { startNews } from '../news/news.ts'
import { type Doorkeeper, makeDoorkeeper } from '../tokens/doorkeeper.ts'

/**
 * What the leader does beside the schedules, news and a heartbeat, and who is let in. Refuses (InvalidRequest) secrets of
 * channels that are missing or not valid, before anything is connected.
 */
export async function extrasOf(
  { options, notify }: { options: ServeOptions; notify: Notify },
  database: Database,
  logger: Logger,
): Promise<{ doorkeeper: Doorkeeper; watched: Watched; start: StartOptions }> {
  const channels = await channelsOf(notify, options.alarmEmails ?? [])
  const { length: steps } = await readSchemaSteps(schemaFolder)
  const heartbeatUrl = readSecret('VIEWKEEPER_HEARTBEAT_URL', process.env)
  let news: Follower | undefined
  let leads = false
  let leaderlessSince = Number.POSITIVE_INFINITY
  const names = channels.map(({ name }) => name)
  const { environment = localEnvironment } = options
  const metrics = makeMetrics(database, { environment, channels: names }, () => leads)
  return {
    watched: {
      metrics: metrics.exposition,
      whyNotReady: atMostOften(
        async () =>
          (await whyNotReady(database, steps)) ?? whyLeaderless(performance.now() - leaderlessSince),
      ),
    },
    doorkeeper: makeDoorkeeper(database),
    start: {
      environment,
      told: channels.length > 0,
      links: { pageUrl: options.pageUrl, runbookUrl: options.runbookUrl },
      publish: metrics.publisher,
      onLook(look) {
        if (look instanceof Error) return
        news?.ring()
        void beat(heartbeatUrl, logger)
      },
      onStanding(standing) {
        leads = standing === 'leads'
        leaderlessSince = standing === 'cut off' ? performance.now() : Number.POSITIVE_INFINITY
      },
      async whileLeading({ signal }) {
        news = startNews({ database, environment, channels, logger })
        if (!signal.aborted) await once(signal, 'abort')
        await news.close()
      },
    },
  }
}

const longestBeatMs = 10_000

/**
 * Asks an address after a look of the monitor, for a service that tells somebody when it is asked no more. The address is a
 * secret: whoever knows it can keep the service quiet.
 */
async function beat(url: string | undefined, logger: Logger): Promise<void> {
  if (url === undefined) return
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(longestBeatMs) })
    await response.body?.cancel()
    if (!response.ok) logger.warn('the heartbeat was refused', { status: response.status })
  } catch (error) {
    logger.warn('the heartbeat did not arrive', { why: (error as Error).name })
  }
}
