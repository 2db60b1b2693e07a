import * as z from 'zod'
import { operations, runStatuses, triggers } from '../db/runs.ts'
import { rowCountStrategies } from '../plan/counting.ts'
import { strategies } from '../plan/strategy.ts'
import { problemCodes } from '../problem.ts'

/** Requests and answers, once: they validate, they type, and the OpenAPI file is made of them. */

const view = z.string().min(1).max(1000).meta({
  description: 'A view: its name as SQL reads it (`sales`, `app.sales`, `"Odd.Name"`), or its id.',
  example: 'public.sales',
})
const runId = z.coerce
  .number()
  .int()
  .min(1)
  .max(2147483647)
  .meta({ description: "The run's id.", example: 812 })
const milliseconds = z.number().int().nullable()
const time = z.iso.datetime().meta({ example: '2026-11-20T09:00:00.000Z' })

const rowCountStrategy = z.enum(rowCountStrategies).optional().meta({
  description: 'How to count rows before and after; counting never locks readers out.',
})
const timeoutSeconds = z.int().min(1).max(86_400).optional().meta({
  description: 'The longest the operation may take on the server, waiting for locks included.',
})

/** The options of each operation: the body of its route, and part of a schedule's event. */
export const createOptions = z
  .strictObject({
    force: z.boolean().optional().meta({
      description:
        'Replaces a view that is there, unless something depends on it; by default it is left alone.',
    }),
    withData: z.boolean().optional().meta({ description: 'Fills the view; by default true.' }),
    rowCountStrategy,
    timeoutSeconds,
  })
  .meta({ id: 'CreateOptions' })

export const refreshOptions = z
  .strictObject({
    strategy: z.enum(strategies).optional().meta({
      description:
        "How to refresh; by default the view's own strategy, which is `auto` unless it was authored.",
    }),
    rowCountStrategy,
    timeoutSeconds,
  })
  .meta({ id: 'RefreshOptions' })

export const dropOptions = z
  .strictObject({
    cascade: z
      .boolean()
      .optional()
      .meta({ description: 'Drops what depends on the view, too; by default false.' }),
    ifExists: z
      .boolean()
      .optional()
      .meta({ description: 'Skips a view that is not there; by default true.' }),
    rowCountStrategy,
    timeoutSeconds,
  })
  .meta({ id: 'DropOptions' })

export const viewPath = z.strictObject({ view })
export const runPath = z.strictObject({ id: runId })

/** What EventBridge Scheduler sends besides an operation's options. */
export const scheduleFields = z.strictObject({
  trigger: z.literal('schedule'),
  schedule: z.string().min(1),
  scheduledTime: z.string(),
  view,
})

export const runsQuery = z.strictObject({
  view: view.optional(),
  operation: z.enum(operations).optional(),
  status: z.enum(runStatuses).optional(),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'Only runs requested at or after this moment.' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: runId.optional().meta({ description: 'The `next` of the page before.' }),
})

const error = z
  .object({
    class: z.enum(problemCodes),
    message: z.string(),
    sqlstate: z.string().optional(),
    detail: z.string().optional(),
    hint: z.string().optional(),
    context: z.string().optional(),
    runningRunId: z.int().optional(),
  })
  .meta({ id: 'RunError', description: 'Why a run did not succeed. Holds no row data.' })

export const result = z
  .object({
    runId: z.int(),
    view: z.string(),
    operation: z.enum(operations),
    status: z.enum(['created', 'updated', 'deleted', 'skipped', 'running', 'error']),
    request: z.record(z.string(), z.unknown()),
    response: z.object({
      view: z.string(),
      strategy: z.string().optional(),
      because: z.string().optional(),
      sql: z.array(z.string()).optional(),
      attempts: z.int().optional(),
      rowCountBefore: z.int().nullable(),
      rowCountAfter: z.int().nullable(),
      durationMs: milliseconds,
    }),
    error: error.optional(),
  })
  .meta({
    id: 'Result',
    description: 'What an operation answers, whoever asked and however long they waited.',
  })

export const run = z
  .object({
    id: z.int(),
    view: z.string(),
    schema: z.string(),
    name: z.string(),
    operation: z.enum(operations),
    status: z.enum(runStatuses),
    trigger: z.enum(triggers),
    requestedBy: z.string(),
    batchId: z.string().nullable(),
    attempt: z.int(),
    requestedAt: time,
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    durationMs: milliseconds,
    rowCountBefore: z.int().nullable(),
    rowCountAfter: z.int().nullable(),
    error: error.nullable(),
    progress: z
      .object({ phase: z.string().nullable(), elapsedMs: milliseconds, estimatedMs: milliseconds })
      .optional()
      .meta({ description: 'While the run is running.' }),
    result,
  })
  .meta({ id: 'Run', description: 'One attempt at one operation on one view.' })

export const runList = z.object({ runs: z.array(run), next: z.string().nullable() }).meta({ id: 'RunList' })

const viewSummary = z.object({
  id: z.int(),
  view: z.string(),
  schema: z.string(),
  name: z.string(),
  source: z.enum(['authored', 'discovered']),
  strategy: z.string(),
  populated: z.boolean(),
  paused: z.boolean(),
  sizeBytes: z.int().nullable().meta({ description: "The planner's estimate." }),
  estimatedRows: z.int().nullable().meta({ description: "The planner's estimate." }),
  lastRun: z
    .object({ id: z.int(), status: z.enum(runStatuses), requestedAt: time, durationMs: milliseconds })
    .nullable(),
  lastSuccessAt: time.nullable(),
  staleMs: milliseconds.meta({ description: 'Since the last success.' }),
  dependsOn: z.array(z.string()),
  neededBy: z.array(z.string()),
})

export const viewList = z
  .object({ views: z.array(viewSummary.meta({ id: 'View' })) })
  .meta({ id: 'ViewList' })

export const viewDetails = viewSummary
  .extend({
    owner: z.string(),
    comment: z.string().nullable(),
    sql: z
      .string()
      .nullable()
      .meta({ description: 'Null while a running refresh keeps it from being read at once.' }),
    indexes: z.array(z.object({ name: z.string(), unique: z.boolean(), definition: z.string().nullable() })),
    recentRuns: z.array(run),
  })
  .meta({ id: 'ViewDetails' })

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(problemCodes),
    field: z.string().optional().meta({ description: 'The field of the request at fault.' }),
    runId: z.int().optional().meta({ description: 'The run that records this failure.' }),
    runningRunId: z.int().optional().meta({ description: 'The run that is in the way.' }),
    batchId: z.string().optional().meta({ description: 'The batch that this is about.' }),
    sqlstate: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })
