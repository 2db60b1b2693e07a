import { look } from '../../keeper/jobs.ts'
import type { Kept } from '../../keeper/terms.ts'
import type { Monitored } from '../../watch/monitor.ts'
import type { Configuration } from './configuration.ts'
import { publishBatchMetrics, publishPerView, publishRunMetrics, publishViews } from './metrics/publish.ts'
import { sayDue, sayNews } from './wake-lines.ts'

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
