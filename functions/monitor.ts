import { type Configuration, readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import {
  publishBatchMetrics,
  publishPerView,
  publishRunMetrics,
  publishViews,
} from '../src/api/lambda/publish.ts'
import { sayDue, sayNews } from '../src/api/lambda/wake-lines.ts'
import { look } from '../src/keeper/jobs.ts'
import type { Kept } from '../src/keeper/terms.ts'
import type { Monitored } from '../src/watch/monitor.ts'

/**
 * Closes the runs and batches that are lost. Publishes every run and batch that has ended, and the views that
 * fail, are stale, missing or set aside for long, as log lines and as metrics. Has `send` called if something waits to be sent, or
 * refreshes are due.
 */
export async function monitorEnvironment({
  environment,
  metricsPerView,
  ...kept
}: Kept & Pick<Configuration, 'environment' | 'metricsPerView'>): Promise<Monitored> {
  const monitored = await look(kept, {
    runs(ended) {
      if (metricsPerView) for (const run of ended) publishPerView(environment, run)
      publishRunMetrics(environment, ended)
    },
    batches: (ended) => publishBatchMetrics(environment, ended),
    incidents: (kind, found) => publishViews(environment, kind, found.length),
  })
  if (monitored.eventsWait) sayNews()
  if (monitored.due > 0) sayDue()
  return monitored
}

/** At each scheduled call: closes lost runs, publishes ended runs and batches, and finds stale views. */
export const handler = eventFunction(() => monitorEnvironment(readConfiguration()))
