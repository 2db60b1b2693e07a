import * as z from 'zod/mini'
import { type Configuration, readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import {
  publishBatchMetrics,
  publishIncidents,
  publishPerView,
  publishRunMetrics,
  publishViews,
  publishWaiting,
} from '../src/api/lambda/publish.ts'
import type { LookEvent, Looked } from '../src/api/lambda/send.ts'
import { text, validate } from '../src/api/request-fields.ts'
import { type HandedOut, type HandOutRequest, handOut } from '../src/events/hand-out.ts'
import { look, measureWaiting } from '../src/keeper/jobs.ts'
import type { KeptDatabase } from '../src/keeper/terms.ts'
import type { Monitored } from '../src/watch/monitor.ts'

/**
 * Closes the runs and batches that are lost. Publishes every run and batch that has ended, and the views that fail, are stale, missing
 * or set aside for long, and for how long something has waited to be sent, as log lines and as metrics.
 */
export async function monitorEnvironment({
  environment,
  metricsPerView,
  ...kept
}: KeptDatabase &
  Pick<Configuration, 'environment' | 'metricsPerView'> &
  Pick<LookEvent, 'heard'>): Promise<Monitored> {
  const monitored = await look(kept, {
    runs(ended) {
      if (metricsPerView) for (const run of ended) publishPerView(environment, run)
      publishRunMetrics(environment, ended)
    },
    batches: (ended) => publishBatchMetrics(environment, ended),
    incidents: (kind, found) => publishViews(environment, kind, found.length),
  })
  publishIncidents(environment, monitored.incidents)
  publishWaiting(environment, monitored.waitingSeconds)
  return monitored
}

const heard = z.object({
  topics: z.array(
    z.object({ topic: text(2048), confirmed: z.nullable(z.int()), error: z.nullable(text(200)) }),
  ),
  mailed: z.boolean(),
})

const question = z.strictObject({ token: z.nullable(text(100)), done: z.array(z.int()), stop: z.boolean() })

/** Hands out what waits for people and programs, and removes what is sent. */
export const answerNews = (
  event: unknown,
  { database, environment }: Pick<Configuration, 'environment' | 'database'>,
): Promise<HandedOut> => handOut(database, validate(question, event, 'event'), environment)

/** Publishes for how long something has waited, without a look. */
async function publishOnly({ database, environment }: Configuration): Promise<Looked> {
  const waitingSeconds = await measureWaiting(database)
  publishWaiting(environment, waitingSeconds)
  return { due: 0, waitingSeconds }
}

/** Looks, or hands out what waits, for `send`, which cannot reach the database. */
export const handler = eventFunction<Partial<LookEvent & HandOutRequest>, Looked | HandedOut>((event) => {
  if ('token' in event) return answerNews(event, readConfiguration())
  if (event.look === false) return publishOnly(readConfiguration())
  return monitorEnvironment({
    ...readConfiguration(),
    heard: event.heard && validate(heard, event.heard, 'heard'),
  })
})
