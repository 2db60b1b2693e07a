import * as z from 'zod/mini'
import { type EventType, eventTypes, type ViewkeeperEvents, viewKinds } from '../words/event.ts'
import { problemCodes } from '../words/problem.ts'
import { operations, triggers } from '../words/run.ts'

// The events as schemas, for docs/events.schema.json. The types are those of the package: a difference does not compile.

const count = () => z.int().check(z.nonnegative())
const moment = () => z.iso.datetime()

const ofEvent = <Type extends EventType>(type: Type) => ({
  type: z.literal(type),
  id: z.uuid(),
  sequence: count(),
  environment: z.string(),
  at: moment(),
})

const ofRun = {
  view: z.string(),
  runId: count(),
  batchId: z.nullable(z.string()),
  operation: z.enum(operations),
  trigger: z.enum(triggers),
  strategy: z.nullable(z.string()),
  durationMs: z.nullable(count()),
}

const ofIncident = { view: z.string(), kinds: z.array(z.enum(viewKinds)), openedAt: moment() }

const ofCause = {
  ...ofIncident,
  culprit: z.string(),
  cause: z.looseObject({
    code: z.string(),
    text: z.string(),
    runId: z.nullable(count()),
    batchId: z.nullable(z.string()),
  }),
  ageSeconds: z.nullable(count()),
  maxStalenessSeconds: z.nullable(count()),
  next: z.nullable(z.string()),
}

/** Each event by its type. An event of a later version may have more fields. */
export const eventSchemas = {
  ViewRefreshed: z.looseObject({
    ...ofEvent('ViewRefreshed'),
    ...ofRun,
    rows: z.nullable(count()),
    ageSeconds: z.nullable(count()),
  }),
  ViewFailed: z.looseObject({
    ...ofEvent('ViewFailed'),
    ...ofRun,
    attempt: count(),
    error: z.looseObject({
      class: z.enum(problemCodes),
      sqlstate: z.nullable(z.string()),
      message: z.string(),
    }),
    ageSeconds: z.nullable(count()),
    next: z.string(),
  }),
  BatchEnded: z.looseObject({
    ...ofEvent('BatchEnded'),
    batchId: z.string(),
    status: z.enum(['success', 'failed', 'canceled', 'skipped']),
    trigger: z.enum(triggers),
    views: z.looseObject({ success: count(), failed: count(), canceled: count(), skipped: count() }),
    durationMs: z.nullable(count()),
    error: z.nullable(z.looseObject({ class: z.enum(problemCodes), message: z.string() })),
    next: z.nullable(z.string()),
  }),
  IncidentOpened: z.looseObject({ ...ofEvent('IncidentOpened'), ...ofCause }),
  IncidentChanged: z.looseObject({ ...ofEvent('IncidentChanged'), ...ofCause }),
  IncidentResolved: z.looseObject({ ...ofEvent('IncidentResolved'), ...ofIncident }),
} satisfies { [Type in EventType]: z.ZodMiniType<ViewkeeperEvents[Type]> }

/** JSON Schema of the `detail` of every event. */
export const eventsAsJsonSchema = (): object =>
  z.toJSONSchema(z.union(eventTypes.map((type) => eventSchemas[type])), { io: 'input' })
