import * as z from 'zod'
import { strategies } from '../catalog/plan/definition.ts'
import { batchStatuses, exchanges, operations, runStatuses, triggers } from '../catalog/plan/run.ts'
import { anyStates } from '../catalog/plan/state.ts'
import { problemCodes } from '../problem.ts'
import { causeCodes } from '../watch/diagnosis/cause.ts'
import { nextBys } from '../watch/diagnosis/standing.ts'
import { actionNames } from '../watch/plan/actions.ts'
import { batchId } from './fields.ts'

// What routes answer. No function loads this file: the OpenAPI file is written when the functions are bundled. The command line
// loads it for what another version answers.

const milliseconds = z.number().int().nullable()
const time = z.iso.datetime().meta({ example: '2026-11-20T09:00:00.000Z' })

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
      lockedMs: z.int().optional().meta({
        description:
          'How long the run locked readers out, in milliseconds, its wait for the lock included. Absent: it locked none out.',
      }),
      fillMs: z.int().optional().meta({
        description: 'How long it took to compute and write the rows, in milliseconds.',
      }),
      group: z
        .array(z.object({ view: z.string(), runId: z.int() }))
        .optional()
        .meta({
          description: 'The views that were refreshed together with this view, because they read it.',
        }),
      walPosition: z
        .string()
        .optional()
        .meta({
          description:
            'If the view is read on replicas: a position in the WAL after the commit of the refresh. A replica that has replayed so ' +
            'far has the new data.',
          example: '0/3A5B2C8',
        }),
      rowCountBefore: z.int().nullable(),
      rowCountAfter: z.int().nullable(),
      durationMs: milliseconds,
    }),
    coalesced: z.literal(true).optional().meta({
      description:
        "This result is of an earlier request's run: one that goes on, or ended within the view's minimum interval.",
    }),
    error: error.optional(),
  })
  .meta({
    id: 'Result',
    description: 'The answer of an operation, the same for every trigger and every wait.',
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
    notBefore: time.nullable().meta({ description: 'The earliest start of the run, if it is a retry.' }),
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    durationMs: milliseconds,
    rowCountBefore: z.int().nullable(),
    rowCountAfter: z.int().nullable(),
    checks: z
      .array(
        z.object({
          name: z.string(),
          severity: z.literal('warn').optional(),
          rows: z.int().meta({ description: 'How many rows the check found.' }),
          counted: z
            .int()
            .optional()
            .meta({ description: 'How many rows the view had, if the check counts them.' }),
          differs: z
            .object({
              share: z.number().meta({ description: 'The part of the keys that was compared; 1: all.' }),
              before: z.int(),
              after: z.int(),
              added: z.int(),
              gone: z.int(),
              changed: z.int(),
            })
            .optional()
            .meta({ description: 'How the compared rows differ from those before, if the check compares.' }),
          ms: z.number(),
        }),
      )
      .nullable()
      .meta({
        description: 'The checks of the new data. Null: none was made, or the run did not succeed.',
      }),
    error: error.nullable(),
    progress: z
      .object({ phase: z.string().nullable(), elapsedMs: milliseconds, estimatedMs: milliseconds })
      .optional()
      .meta({ description: 'While the run is running.' }),
    result: result.omit({ error: true }).meta({
      id: 'RunResult',
      description: 'The answer of the operation. Its error is the one of the run.',
    }),
  })
  .meta({ id: 'Run', description: 'One execution of one operation on one view.' })

const next = z.string().nullable().meta({ description: 'The `cursor` of the next page; null on the last.' })

export const runList = z.object({ runs: z.array(run), next }).meta({ id: 'RunList' })

const asOf = time.nullable().meta({
  description:
    'The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it.',
})
const heldBackBy = z.string().nullable().meta({
  description:
    'The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back.',
})

const staleMs = milliseconds.meta({
  description:
    'The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh.',
})

const leftOut = z.int().meta({
  description: 'The refreshes that were left out because they would have changed nothing.',
})
const savedMs = milliseconds.meta({ description: 'Their time, by the usual duration.' })

const state = z.enum(anyStates).meta({
  description:
    'How the view stands: the most urgent of all that is true of it. `failed`: its own refresh failed, and none has succeeded since; ' +
    '`heldBack`: it waits for `culprit`; `unknown`: nobody knows how old its data are; `unlimited`: nothing says how old they may be.',
})

const culprit = z.string().nullable().meta({
  description: 'The view to fix first, because this one waits for it, or shows its old data. Null: none is.',
})

const viewSummary = z.object({
  id: z.int().nullable().meta({
    description: 'Null until the monitor, a run or a batch first meets the view.',
  }),
  view: z.string(),
  schema: z.string(),
  name: z.string(),
  source: z.enum(['authored', 'discovered']),
  strategy: z.string(),
  populated: z.boolean(),
  paused: z.boolean(),
  pausedUntil: time.nullable().optional().meta({
    description: 'When its pause ends by itself; null: when somebody ends it.',
  }),
  sizeBytes: z
    .int()
    .nullable()
    .meta({ description: "While the view is locked exclusively: the planner's estimate, or null." }),
  estimatedRows: z
    .int()
    .nullable()
    .meta({ description: "The planner's estimate; if there is none, the count of the last refresh." }),
  state,
  culprit,
  lastRun: z
    .object({
      id: z.int(),
      status: z.enum(runStatuses),
      requestedAt: time,
      finishedAt: time.nullable(),
      durationMs: milliseconds,
    })
    .nullable()
    .meta({ description: 'A run that has not ended, or else the one that ended last.' }),
  lastSuccessAt: time.nullable(),
  asOf,
  heldBackBy,
  staleMs,
  dependsOn: z.array(z.string()),
  neededBy: z.array(z.string()),
  maxStaleMs: milliseconds.meta({
    description: 'The age from which the data are stale; null if nothing says how old they may be.',
  }),
  stale: z.boolean().meta({ description: 'Whether the data are older than they may be.' }),
  nextRun: time.nullable().meta({
    description:
      'When the view is refreshed next, by a target lag: at the latest; null if nothing does that, or a pause keeps it from that.',
  }),
  nextBy: z.enum(nextBys).nullable().meta({
    description:
      "What begins that run: the view's own schedule, the one for every view, a target lag, a retry. Null if `nextRun` is null.",
  }),
  promisedMs: milliseconds.meta({
    description:
      'How old target lags let the data become: its own, or the shortest of the views for which it is refreshed along. Null: none does.',
  }),
  promisedFor: z.string().nullable().meta({
    description: 'The view whose target lag that is; null: its own.',
  }),
  schedule: z.string().nullable().meta({
    description: "The view's own schedule, as five fields of cron; null if its definition has none.",
  }),
  timeZone: z.string().nullable().meta({ description: "The time zone of the view's own schedule." }),
  nightly: z.string().nullable().optional().meta({
    description: 'When the batch of every view refreshes it; null if it does not.',
    example: '02:00 Etc/UTC',
  }),
  targetLagSeconds: z.int().nullable().meta({
    description:
      'How old the data may become, instead of a schedule; null if its definition does not say so.',
  }),
  lagWorksSeconds: z.int().nullable().meta({
    description:
      'The shortest target lag that can be kept, if that of the definition cannot; otherwise null.',
  }),
  suspendedUntil: time.nullable().meta({
    description:
      'When schedules try the view next, of which too many scheduled refreshes have failed in a row; null if it is not suspended.',
  }),
  leftOut: leftOut.meta({
    description: 'The refreshes of the last 24 h that were left out because they would have changed nothing.',
  }),
  savedMs,
  cost: z
    .object({
      days: z.int().meta({ description: 'The days since the first of these refreshes, at most 30.' }),
      refreshes: z.int().meta({ description: 'How many succeeded.' }),
      ms: z.int().meta({ description: 'How long they took together, failures among them.' }),
      share: z.number().meta({ description: 'The share of what all views take a day, 0 to 1.' }),
    })
    .nullable()
    .meta({ description: 'What the refreshes of the last 30 days took; null if none is on record.' }),
  missing: z.boolean().meta({ description: 'Whether the view was authored, and is not in the database.' }),
  checked: z.boolean().meta({ description: 'Whether its definition has checks.' }),
  checkFailedSince: time.nullable().meta({
    description: 'Since when checks hold the new data of the view back; null: none does.',
  }),
  aside: z.object({ since: time, by: z.string() }).nullable().meta({
    description:
      'Since when the view is set aside for a change of a table, and by which role; null if it is not.',
  }),
  retry: z.object({ runId: z.int(), at: time, message: z.string().nullable() }).nullable().meta({
    description:
      'That the last attempt failed (`runId`, `message`), and when the next one begins (`at`); null if none waits.',
  }),
})

const silence = z
  .object({
    lines: z.array(z.string()).meta({ description: 'How it is said: a line for each; none if all is well.' }),
    unrefreshed: z.array(z.string()).meta({
      description:
        'The views that nothing refreshes: no schedule, no target lag, and no definition says that something else does.',
    }),
    told: z.boolean().nullable().meta({
      description: 'Whether anybody is told what goes wrong; null: nobody knows.',
    }),
    forgotten: z.array(z.string()).meta({
      description: 'The views that have been paused for a week or longer, without an end.',
    }),
  })
  .meta({ id: 'Silence', description: 'What would be silence, as of the last look of the monitor.' })

export const viewList = z
  .object({
    views: z.array(viewSummary.meta({ id: 'View' })),
    paused: z.object({ since: time, by: z.string(), until: time.nullable().optional() }).nullable().meta({
      description:
        'Since when everything scheduled is paused, who paused it, and when that ends by itself; null if it is not paused.',
    }),
    replicas: z
      .object({
        readOnReplicas: z.boolean().nullable().meta({
          description:
            'Whether the environment says that programs read its views there; null: it says nothing.',
        }),
        standbys: z.array(
          z.object({
            name: z.string(),
            lagMs: milliseconds.meta({
              description: 'How far its data lag behind; null if the server does not know.',
            }),
          }),
        ),
        hidden: z.int().meta({
          description: 'Sessions that may be those of standbys: the login may not see what they are.',
        }),
      })
      .meta({ id: 'Replicas', description: 'The standbys of the server, as far as the login sees them.' })
      .optional(),
    failing: z
      .array(
        z.object({
          channel: z.string().meta({ example: 'mail ops@example.com' }),
          since: time,
          error: z.string().meta({ description: 'Why the last try failed.' }),
        }),
      )
      .optional()
      .meta({
        description:
          'The channels of viewkeeper serve that do not take their messages. Empty on AWS, where SNS delivers.',
      }),
    silence: silence.optional(),
    next,
  })
  .meta({ id: 'ViewList' })

export const viewDetails = viewSummary
  .extend({
    owner: z.string().nullable().meta({ description: 'Null if the view is missing.' }),
    comment: z.string().nullable(),
    sql: z.string().nullable().meta({ description: 'Null while a running refresh blocks reading it.' }),
    indexes: z.array(z.object({ name: z.string(), unique: z.boolean(), definition: z.string().nullable() })),
    recentRuns: z.array(run),
  })
  .meta({ id: 'ViewDetails' })

const cause = z
  .object({
    code: z.enum(causeCodes),
    text: z.string().meta({ description: 'The cause in one or two sentences.' }),
    next: z
      .string()
      .nullable()
      .meta({ description: 'What to type: a command line of `viewkeeper`, or SQL. Null if nothing helps.' }),
    view: z.string().optional().meta({ description: 'The view that has the cause, if it is another one.' }),
    upstream: z
      .enum(causeCodes)
      .optional()
      .meta({ description: 'With code `Upstream`: the code of the cause that the other view has.' }),
    runId: z.int().optional().meta({ description: 'The run that the cause is about.' }),
    batchId: z.string().optional().meta({ description: 'The batch that the cause is about.' }),
  })
  .meta({ id: 'Cause', description: 'Why the data of a view are as old as they are.' })

const heldLock = z
  .object({
    pid: z.int().nullable().meta({ description: "The session's process; null for a prepared transaction." }),
    role: z.string().nullable(),
    application: z.string().nullable(),
    state: z
      .string()
      .nullable()
      .meta({ description: 'Such as `active` or `idle in transaction`; null if our role may not see it.' }),
    since: time.nullable().meta({
      description: 'When the transaction of the session began; null if our role may not see it.',
    }),
    mode: z.string().meta({ example: 'AccessExclusiveLock' }),
    relation: z.string().meta({ description: 'What the session has locked.' }),
    statement: z.string().nullable().meta({
      description:
        'The last statement of the session, with ... instead of each constant; null if our role may not see it.',
    }),
    end: z.string().nullable().meta({
      description: 'SQL that ends the session; null if the session is a run of Viewkeeper: cancel the run.',
    }),
    runId: z.int().optional().meta({ description: "The run whose session it is, if it is Viewkeeper's." }),
  })
  .meta({ id: 'HeldLock', description: 'A lock of another session that is in the way of the refresh.' })

export const why = z
  .object({
    view: z.string(),
    state,
    culprit,
    staleMs,
    maxStaleMs: milliseconds.meta({ description: 'The age from which the data are stale.' }),
    lastSuccessAt: time.nullable(),
    asOf,
    heldBackBy,
    nextRun: time.nullable().meta({
      description:
        'When a schedule refreshes the view next; null if none does, or a pause keeps it from that.',
    }),
    holdsBack: z.array(z.string()).meta({
      description: 'The views that wait for the one to fix first, which is `culprit`, or else this view.',
    }),
    causes: z.array(cause).meta({
      description: 'Why the data are as old as they are: the real cause first. There is always one.',
    }),
    locks: z.array(heldLock).meta({
      description: 'Who is in the way of the refresh now: the oldest transaction first.',
    }),
    recentRuns: z.array(run).meta({ description: 'The last five runs of the view, newest first.' }),
    silence: silence.optional(),
  })
  .meta({ id: 'Why', description: 'Why the data of a view are as old as they are, and what to do.' })

export const checkedView = z
  .object({
    view: z.string(),
    passes: z
      .boolean()
      .meta({ description: 'Whether no check found anything, besides those that only warn.' }),
    checks: z.array(
      z.object({
        name: z.string(),
        severity: z.literal('warn').optional().meta({ description: 'The check only warns.' }),
        rows: z
          .int()
          .nullable()
          .meta({ description: 'How many rows it found; null if it could not be made.' }),
        ms: z.number().nullable(),
        error: z.object({ sqlstate: z.string().nullable(), message: z.string() }).nullable().meta({
          description: 'Why the check could not be made, without row data.',
        }),
        query: z.string().meta({
          description: 'The query that shows the rows. It knows the view by its name without a schema.',
        }),
      }),
    ),
  })
  .meta({
    id: 'CheckedView',
    description: 'What the checks of a view have found in the data that readers see.',
  })

const batchError = z
  .object({
    class: z.enum(problemCodes),
    message: z.string(),
    views: z.array(z.string()).optional(),
    openBatchId: z.string().optional(),
  })
  .meta({ id: 'BatchError', description: 'Why a batch did not succeed.' })

export const startedBatch = z
  .object({ batchId, status: z.enum(batchStatuses), error: batchError.nullish() })
  .meta({ id: 'StartedBatch' })

const batchSummary = z
  .object({
    id: batchId,
    status: z.enum(batchStatuses),
    trigger: z.enum(triggers),
    requestedBy: z.string(),
    request: z.record(z.string(), z.unknown()),
    selection: z.record(z.string(), z.unknown()),
    strategy: z.enum(strategies).nullable(),
    concurrency: z.int(),
    exchange: z.enum(exchanges),
    maxShadowBytes: z.int().nullable().meta({
      description: 'The room on disk that the shadows of the batch may take, in bytes; null: no limit.',
    }),
    refreshedEach: z.array(z.object({ view: z.string(), because: z.string() })).meta({
      description: 'The views that read others of the batch but are not exchanged with them, and why.',
    }),
    locked: z.array(z.object({ view: z.string(), because: z.string(), since: time })).meta({
      description:
        'The views that wait because somebody has locked a view that they are to be exchanged with: which one, and who.',
    }),
    cancelRequestedAt: time.nullable(),
    requestedAt: time,
    startedAt: time.nullable(),
    advancedAt: time.nullable().meta({ description: 'When the batch was last advanced.' }),
    finishedAt: time.nullable(),
    elapsedMs: milliseconds,
    error: batchError.nullable(),
  })
  .meta({ id: 'Batch', description: 'A refresh of several views in dependency order.' })

export const batchList = z.object({ batches: z.array(batchSummary), next }).meta({ id: 'BatchList' })

export const batchDetails = batchSummary
  .extend({
    estimatedRestMs: milliseconds.meta({
      description: 'The time that is probably left, estimated from past runs.',
    }),
    shadowBytes: z
      .int()
      .meta({ description: 'The room on disk of the shadows that the batch builds, in bytes.' }),
    groups: z
      .array(
        z.object({
          views: z.array(z.string()),
          shadowBytes: z.int(),
          givenUp: z
            .object({ class: z.enum(problemCodes), message: z.string() })
            .nullable()
            .meta({ description: 'Why the views were refreshed in place instead.' }),
        }),
      )
      .meta({ description: 'The views that are exchanged at one moment.' }),
    views: z.array(
      z.object({
        view: z.string(),
        status: z.enum([...runStatuses, 'waiting', 'pruned']),
        includedBecause: z.string().nullable().meta({
          description:
            'Why the batch rebuilds the view although it was not to refresh it; null if the batch was to refresh it.',
        }),
        dependsOn: z.array(z.string()),
        waitsFor: z.array(z.string()).meta({
          description:
            'While the view waits: the views of the batch that are not done yet. Empty if only a slot is missing.',
        }),
        estimatedMs: z.int(),
        runs: z.array(
          z.object({
            runId: z.int(),
            status: z.enum(runStatuses),
            attempt: z.int(),
            notBefore: time.nullable().meta({ description: 'The earliest start of the run.' }),
            startedAt: time.nullable(),
            finishedAt: time.nullable(),
            elapsedMs: milliseconds,
            phase: z.string().nullable().meta({
              description: 'While the run is running: `building`, `cut-over` or the like, if known.',
            }),
            class: z.string().nullable().meta({ description: 'The class of the error.' }),
            sqlstate: z.string().nullable().meta({ description: 'The SQLSTATE of the error.' }),
            message: z.string().nullable().meta({
              description: 'The message of the error, or why the run was skipped; at most 1000 characters.',
            }),
          }),
        ),
      }),
    ),
    next,
  })
  .meta({ id: 'BatchDetails', description: 'A batch with its graph.' })

const viewMetrics = z
  .object({
    id: z.int(),
    view: z.string(),
    runs: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    successRate: z
      .number()
      .nullable()
      .meta({ description: 'Successes divided by successes and failures, 0 to 1.' }),
    averageMs: milliseconds,
    minMs: milliseconds,
    maxMs: milliseconds,
    p95Ms: milliseconds,
    leftOut,
    savedMs,
    checksMs: milliseconds.meta({
      description: 'The part of `averageMs` that the checks took; null if none was made.',
    }),
    usualMs: milliseconds.meta({
      description: 'The average of the last 20 successful refreshes, also of those before the window.',
    }),
    paused: z.boolean(),
    lastStatus: z.enum(runStatuses).nullable(),
    lastSuccessAt: time.nullable(),
    asOf,
    heldBackBy,
    staleMs,
    maxStaleMs: milliseconds.meta({
      description: 'The age from which the data are stale; null if nothing says how old they may be.',
    }),
    stale: z.boolean(),
    missing: z.boolean(),
    rowCountBefore: z.int().nullable(),
    rowCountAfter: z.int().nullable(),
    failedLastDay: z.int(),
    lastFailure: z.object({ runId: z.int(), at: time, class: z.string().nullable() }).nullable(),
  })
  .meta({ id: 'ViewMetrics', description: 'Durations are those of successful refreshes.' })

export const metricsList = z
  .object({ windowSeconds: z.int(), metrics: z.array(viewMetrics), next })
  .meta({ id: 'MetricsList' })

const day = z.object({
  day: z.iso.date().meta({ example: '2026-11-20', description: 'In UTC.' }),
  last: z.enum(runStatuses).meta({ description: 'How the last run that was requested on this day ended.' }),
  runs: z.int(),
  failed: z.int(),
})

export const dayList = z
  .object({
    views: z.array(z.object({ view: z.string(), days: z.array(day) }).meta({ id: 'ViewDays' })),
    next,
  })
  .meta({ id: 'DayList', description: 'Days without a run are left out, and so are views without one.' })

export const plan = z
  .object({
    from: time,
    paused: z.boolean().meta({
      description: 'Whether everything scheduled is paused now. The plan is as if it were not.',
    }),
    schedules: z.array(
      z
        .object({
          schedule: z.string().meta({ description: 'Five fields of cron.' }),
          timeZone: z.string(),
          by: z.enum(['view', 'nightly']).meta({
            description: "Whether it is the views' own schedule, or the one for every view.",
          }),
          first: time,
          count: z.int().meta({ description: 'How many turns it has in these 24 hours.' }),
          views: z.array(z.string()).meta({ description: 'What each turn refreshes, without paused views.' }),
          usualMs: z.int().meta({
            description: 'How long that usually takes, one after the other, in milliseconds.',
          }),
          meets: z
            .array(
              z.object({ schedule: z.string(), timeZone: z.string(), at: time, views: z.array(z.string()) }),
            )
            .optional()
            .meta({
              description:
                'The later schedules that refresh some of the same views at the same moment: the second batch waits for what the first builds.',
            }),
        })
        .meta({ id: 'PlannedTurns' }),
    ),
    lags: z.array(z.object({ view: z.string(), lagMs: z.int(), for: z.string().nullable() })).meta({
      description:
        'What is refreshed whenever its data become `lagMs` old, and for which view; null: for its own sake.',
    }),
    leftOut: z
      .array(z.object({ view: z.string(), because: z.enum(['paused', 'suspended']), until: time.nullable() }))
      .meta({ description: 'What is left out while it is paused, or suspended until then.' }),
  })
  .meta({ id: 'Plan', description: 'What runs in the coming 24 hours.' })

export const actionList = z
  .object({
    actions: z.array(
      z
        .object({
          id: z.int(),
          at: time,
          action: z.enum(actionNames),
          requestedBy: z.string(),
          views: z.array(z.string()).meta({
            description:
              'Empty: the views of the batch, everything that is scheduled (`pause`, `resume`), or none.',
          }),
          runId: z.int().nullable(),
          batchId: z.string().nullable(),
          status: z.enum(runStatuses).nullable().meta({
            description:
              'Of the run or the batch: how what was asked for ended. Null: it has neither, or that is pruned.',
          }),
          request: z.record(z.string(), z.unknown()).meta({ description: 'The options of the deed.' }),
        })
        .meta({ id: 'Action' }),
    ),
    next,
  })
  .meta({
    id: 'ActionList',
    description: 'Who did what. Refreshes without `force` are runs only.',
  })

export const pauseState = z
  .object({ paused: z.boolean(), view: z.string().optional() })
  .meta({ id: 'PauseState' })

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(problemCodes),
    field: z.string().optional().meta({ description: 'The field of the request that is wrong.' }),
    runId: z.int().optional().meta({ description: 'The run that records this failure.' }),
    runningRunId: z.int().optional().meta({ description: 'The run of the view that goes on already.' }),
    batchId: z.string().optional().meta({ description: 'The batch that records this failure.' }),
    openBatchId: z
      .string()
      .optional()
      .meta({ description: 'The batch of the same views that goes on already.' }),
    sqlstate: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

/** The OpenAPI file itself. */
export const openapiDocument = z.record(z.string(), z.unknown())

// The types of the answers, for the command line and the page.

export type ViewList = z.infer<typeof viewList>
export type View = ViewList['views'][number]
export type ViewDetails = z.infer<typeof viewDetails>
export type Why = z.infer<typeof why>
export type Cause = Why['causes'][number]
export type HeldLock = Why['locks'][number]
export type Run = z.infer<typeof run>
export type RunList = z.infer<typeof runList>
export type Result = z.infer<typeof result>
export type BatchList = z.infer<typeof batchList>
export type Batch = BatchList['batches'][number]
export type BatchDetails = z.infer<typeof batchDetails>
export type BatchView = BatchDetails['views'][number]
export type BatchRun = BatchView['runs'][number]
export type StartedBatch = z.infer<typeof startedBatch>
export type MetricsList = z.infer<typeof metricsList>
export type ViewMetrics = z.infer<typeof viewMetrics>
export type DayList = z.infer<typeof dayList>
export type Plan = z.infer<typeof plan>
export type ActionList = z.infer<typeof actionList>
export type Action = ActionList['actions'][number]
export type CheckedView = z.infer<typeof checkedView>
export type PauseState = z.infer<typeof pauseState>
export type ProblemBody = z.infer<typeof problem>
