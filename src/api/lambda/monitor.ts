import { logging } from '../../watch/log.ts'
import { type Monitored, monitor } from '../../watch/monitor.ts'
import type { Configuration } from './configuration.ts'
import { logger } from './logger.ts'
import { publishBatchMetrics, publishPerView, publishRunMetrics, publishViews } from './metrics/publish.ts'
import { wakeStartBatch } from './wake-lines.ts'

/** What a look has found, as log lines. */
const lines = logging(logger)

type Environment = Pick<
  Configuration,
  'environment' | 'database' | 'schedules' | 'telling' | 'metricsPerView'
> &
  Partial<Pick<Configuration, 'tellsPrograms' | 'onEnd' | 'looks' | 'told' | 'newestMigration'>>

/**
 * Closes the runs and batches that are lost. Publishes every run and batch that has ended, and the views that
 * fail, are stale, missing or set aside for long, as log lines and as metrics. Has `announce` called if events wait for the bus,
 * and `start-batch` if refreshes are due.
 */
export async function monitorEnvironment({
  environment,
  database,
  schedules,
  telling,
  metricsPerView,
  tellsPrograms = true,
  onEnd,
  looks,
  told,
  newestMigration,
}: Environment): Promise<Monitored> {
  const monitored = await monitor(database, {
    programs: tellsPrograms ? { environment } : null,
    looks,
    schedules,
    telling,
    told,
    newestMigration,
    publish: {
      runs: (ended) => {
        lines.runs(ended)
        if (metricsPerView) for (const run of ended) publishPerView(environment, run)
        publishRunMetrics(environment, ended)
      },
      batches: (ended) => {
        lines.batches(ended)
        publishBatchMetrics(environment, ended)
      },
      trouble: (trouble, found, told) => {
        lines.trouble(trouble, found, told)
        publishViews(environment, trouble, found.length)
      },
    },
  })
  if (monitored.eventsWait) onEnd?.()
  if (monitored.due > 0) wakeStartBatch()
  return monitored
}
