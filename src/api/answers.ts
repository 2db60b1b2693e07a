import * as z from 'zod'
import { strategies } from '../catalog/plan/definition.ts'
import { anyStates } from '../catalog/plan/state.ts'
import { actionNames } from '../record/plan/action-words.ts'
import { nextBys } from '../watch/diagnosis/cause.ts'
import { causeCodes } from '../words/causes.ts'
import { whyAllCodes } from '../words/computes.ts'
import { viewKinds } from '../words/event.ts'
import { type ProblemBody, problemCodes } from '../words/problem.ts'
import { batchStatuses, exchanges, operations, runStatuses, triggers } from '../words/run.ts'
import { batchId } from './request-fields.ts'

// What routes answer. No function loads this file: the OpenAPI file is written when the functions are bundled. The command line
// loads it for what another version answers.

const text = z.string()
const textOrNull = text.nullable()
const texts = z.array(text)
const int = z.int()
const count = int.nullable()
const boolean = z.boolean()
const milliseconds = z.number().int().nullable()
const time = z.iso.datetime().meta({ example: '2026-11-20T09:00:00.000Z' })
const timeOrNull = time.nullable()

/** An object with its name in the OpenAPI file, and what it is. */
const named = <Fields extends z.core.$ZodLooseShape>(
  id: string,
  description: string | null,
  fields: Fields,
) => z.object(fields).meta({ id, ...(description && { description }) })

const rowCounts = { rowCountBefore: count, rowCountAfter: count }

const error = named('RunError', 'Why a run did not succeed. Holds no row data.', {
  class: z.enum(problemCodes),
  message: text,
  sqlstate: text.optional(),
  detail: text.optional(),
  hint: text.optional(),
  context: text.optional(),
  runningRunId: int.optional(),
})

export const result = named(
  'Result',
  'The answer of an operation, the same for every trigger and every wait.',
  {
    runId: int,
    view: text,
    operation: z.enum(operations),
    status: z.enum(['created', 'updated', 'deleted', 'skipped', 'running', 'error']),
    request: z.record(text, z.unknown()),
    response: z.object({
      view: text,
      strategy: text.optional(),
      because: text.optional(),
      sql: texts.optional(),
      attempts: int.optional(),
      lockedMs: int
        .optional()
        .describe(
          'How long the run locked readers out, in milliseconds, its wait for the lock included. Absent: it locked none out.',
        ),
      fillMs: int.optional().describe('How long it took to compute and write the rows, in milliseconds.'),
      group: z
        .array(z.object({ view: text, runId: int }))
        .optional()
        .describe('The views that were refreshed together with this view, because they read it.'),
      slices: z
        .object({
          anew: int.optional().describe('How many slices were computed. Absent: all.'),
          of: int.optional().describe('About how many slices the view has. Absent: nobody knows.'),
          compared: int
            .optional()
            .describe(
              'If all were computed although a log told which: how many no change had touched, and were compared.',
            ),
          wrong: int.optional().describe('How many of these were wrong.'),
          by: text.optional().describe('If a change log told what to compute: by which column.'),
          shape: text.optional().describe('A mark of what else the rows depend on.'),
          wholeAt: text.optional().describe('When all rows were computed last.'),
          wholeMs: int
            .optional()
            .describe('How long that took, in milliseconds: in the last refresh before this one that did.'),
          read: text
            .optional()
            .describe('In a batch: the snapshot whose changes leave the log when the view is exchanged.'),
        })
        .optional()
        .describe('Which slices of the view were computed.'),
      computes: z
        .object({
          mode: z.enum(['range', 'touched', 'all']),
          by: text.optional().describe('The column of its slices. Absent: it computes all rows.'),
          from: text.optional(),
          to: text.optional(),
          joined: boolean.optional().describe('Whether changes of joined tables touch slices, too.'),
          wholeMs: milliseconds.optional().describe('How long all slices took, in milliseconds.'),
          because: z
            .looseObject({ code: z.enum(whyAllCodes) })
            .optional()
            .describe('Why all slices are computed although there is a change log.'),
          compares: boolean.optional().describe('Whether slices that no change has touched are compared.'),
          unused: z
            .object({ because: text, log: int.nullable() })
            .optional()
            .describe('Why its change log is not used, and the OID of the log.'),
        })
        .optional()
        .describe('What the refresh of an incremental table computes: `because` says it in words.'),
      ...rowCounts,
      durationMs: milliseconds,
    }),
    coalesced: z
      .literal(true)
      .optional()
      .describe(
        "This result is of an earlier request's run: one that goes on, or ended within the view's minimum interval.",
      ),
    error: error.optional(),
  },
)

const cause = named('Cause', 'Why the data of a view are as old as they are.', {
  code: z.enum(causeCodes),
  text: text.describe('The cause in one or two sentences.'),
  next: textOrNull.describe('What to type: a command line of `viewkeeper`, or SQL. Null if nothing helps.'),
  view: text.optional().describe('The view that has the cause, if it is another one.'),
  upstream: z
    .enum(causeCodes)
    .optional()
    .describe('With code `Upstream`: the code of the cause that the other view has.'),
  runId: int.optional().describe('The run that the cause is about.'),
  batchId: text.optional().describe('The batch that the cause is about.'),
})

export const run = named('Run', 'One execution of one operation on one view.', {
  id: int,
  view: text,
  schema: text,
  name: text,
  operation: z.enum(operations),
  status: z.enum(runStatuses),
  trigger: z.enum(triggers),
  requestedBy: text,
  batchId: textOrNull,
  attempt: int,
  requestedAt: time,
  notBefore: timeOrNull.describe('The earliest start of the run, if it is a retry.'),
  startedAt: timeOrNull,
  finishedAt: timeOrNull,
  durationMs: milliseconds,
  ...rowCounts,
  checks: z
    .array(
      z.object({
        name: text,
        severity: z.literal('warn').optional(),
        rows: int.describe('How many rows the check found.'),
        counted: int.optional().describe('How many rows the view had, if the check counts them.'),
        differs: z
          .object({
            before: int,
            after: int,
            added: int,
            gone: int,
            changed: int,
          })
          .optional()
          .describe('How the rows differ from those before, if the check compares.'),
        about: int
          .optional()
          .describe('About how many rows the view has, if they are too many to be compared.'),
        ms: z.number(),
      }),
    )
    .nullable()
    .describe('The checks of the new data. Null: none was made, or the run did not succeed.'),
  error: error.nullable(),
  cause: cause
    .optional()
    .describe(
      'Of one run that has failed or was canceled: the cause, as `why` tells it, and what to type next.',
    ),
  progress: z
    .object({ phase: textOrNull, elapsedMs: milliseconds, estimatedMs: milliseconds })
    .optional()
    .describe('While the run is running.'),
  result: result.omit({ error: true }).meta({
    id: 'RunResult',
    description: 'The answer of the operation. Its error is the one of the run.',
  }),
})

const next = textOrNull.describe('The `cursor` of the next page; null on the last.')

export const runList = named('RunList', null, { runs: z.array(run), next })

/** How old the data of a view are. */
const age = {
  lastSuccessAt: timeOrNull,
  asOf: timeOrNull.describe(
    'The moment whose data the view shows: nothing that was committed before is missing. Null if nobody knows it.',
  ),
  heldBackBy: textOrNull.describe(
    'The view whose data are the oldest in this view, or whose age nobody knows. Null if no view that it reads holds `asOf` back.',
  ),
  staleMs: milliseconds.describe(
    'The age of the data: time since `asOf`, or since the last success if nobody knows it. Null if no run has made them fresh.',
  ),
  maxStaleMs: milliseconds.describe(
    'The age from which the data are stale; null if nothing says how old they may be.',
  ),
}

const state = z
  .enum(anyStates)
  .describe(
    'How the view stands: the most urgent of all that is true of it. `failed`: its own refresh failed, and none has succeeded since; ' +
      '`heldBack`: it waits for `culprit`; `unknown`: nobody knows how old its data are; `unlimited`: nothing says how old they may be.',
  )

const culprit = textOrNull.describe(
  'The view to fix first, because this one waits for it, or shows its old data. Null: none is.',
)

const nextBy = z
  .enum(nextBys)
  .nullable()
  .describe(
    "What begins that run: the view's own schedule, the one for every view, a target lag, its log as soon as it has rows, and else at `nextRun`; a retry. Null if `nextRun` is null.",
  )

const viewSummary = z.object({
  id: count.describe('Null until the monitor, a run or a batch first meets the view.'),
  view: text,
  schema: text,
  name: text,
  source: z.enum(['authored', 'discovered']),
  strategy: text,
  populated: boolean,
  paused: boolean,
  pausedUntil: timeOrNull.optional().describe('When its pause ends by itself; null: when somebody ends it.'),
  sizeBytes: count.describe("While the view is locked exclusively: the planner's estimate, or null."),
  estimatedRows: count.describe("The planner's estimate; if there is none, the count of the last refresh."),
  countedRows: count
    .optional()
    .describe('The count of the refresh that made the data; null if nobody knows which one did.'),
  state,
  culprit,
  lastRun: z
    .object({
      id: int,
      status: z.enum(runStatuses),
      requestedAt: time,
      finishedAt: timeOrNull,
      durationMs: milliseconds,
    })
    .nullable()
    .describe('A run that has not ended, or else the one that ended last.'),
  ...age,
  dependsOn: texts,
  neededBy: texts,
  stale: boolean.describe('Whether the data are older than they may be.'),
  nextRun: timeOrNull.describe(
    'When the view is refreshed next, by a target lag: at the latest; null if nothing does that, or a pause keeps it from that.',
  ),
  nextBy,
  promisedMs: milliseconds.describe(
    'How old target lags let the data become: its own, or the shortest of the views for which it is refreshed along. Null: none does.',
  ),
  promisedFor: textOrNull.describe('The view whose target lag that is; null: its own.'),
  schedule: textOrNull.describe(
    "The view's own schedule, as five fields of cron; null if its definition has none.",
  ),
  timeZone: textOrNull.describe("The time zone of the view's own schedule."),
  inAll: boolean.optional().describe('Whether a batch of all views includes it.'),
  nightly: textOrNull.optional().meta({
    description: 'When the batch of every view refreshes it; null if it does not.',
    example: '02:00 Etc/UTC',
  }),
  targetLagSeconds: count.describe(
    'How old the data may become, instead of a schedule; null if its definition does not say so.',
  ),
  lagWorksSeconds: count.describe(
    'The shortest target lag that can be kept, if that of the definition cannot; otherwise null.',
  ),
  suspendedUntil: timeOrNull.describe(
    'When schedules try the view next, of which too many scheduled refreshes have failed in a row; null if it is not suspended.',
  ),
  incident: z
    .object({
      kinds: z.array(z.enum(viewKinds)),
      openedAt: time.describe('When the monitor first saw it.'),
      culprit: text.describe('What to fix first: this view, one that it reads, a batch, a session.'),
      code: z.enum(causeCodes),
      text: text.describe('Why, in one or two sentences.'),
      next: textOrNull.describe('What to type; null if nothing helps.'),
    })
    .nullable()
    .optional()
    .describe(
      'What the last look of the monitor found wrong with the view, and why; null: nothing. `why` has the locks of this moment.',
    ),
  missing: boolean.describe('Whether the view was authored, and is not in the database.'),
  checked: boolean.describe('Whether its definition has checks.'),
  checkFailedSince: timeOrNull.describe(
    'Since when checks hold the new data of the view back; null: none does.',
  ),
  aside: z
    .object({ since: time, by: text })
    .nullable()
    .describe(
      'Since when the view is set aside for a change of a table, and by which role; null if it is not.',
    ),
  retry: z
    .object({ runId: int, at: time, message: textOrNull })
    .nullable()
    .describe(
      'That the last attempt failed (`runId`, `message`), and when the next one begins (`at`); null if none waits.',
    ),
})

const silence = named('Silence', 'What would be silence, as of the last look of the monitor.', {
  lines: z
    .array(z.object({ text, next: textOrNull }))
    .describe('How it is said: a line for each, and what to type; none if all is well.'),
  unrefreshed: texts.describe(
    'The views that nothing refreshes: no schedule, no target lag, and no definition says that something else does.',
  ),
  told: boolean.nullable().describe('Whether anybody is told what goes wrong; null: nobody knows.'),
  forgotten: texts.describe('The views that have been paused for a week or longer, without an end.'),
  waitingSince: timeOrNull.describe(
    'Since when the oldest message or event has waited that is not sent, if that is longer than ten minutes; null: nothing has.',
  ),
})

const quietWindow = z.object({ from: time, until: time, by: text })

export const viewList = named('ViewList', null, {
  views: z.array(viewSummary.meta({ id: 'View' })),
  paused: z
    .object({ since: time, by: text, until: timeOrNull.optional() })
    .nullable()
    .describe(
      'Since when everything scheduled is paused, who paused it, and when that ends by itself; null if it is not paused.',
    ),
  quiet: quietWindow
    .nullable()
    .optional()
    .describe(
      'From when until when nobody is told what is wrong, and who wants that; null: people are told.',
    ),
  failing: z
    .array(
      z.object({
        channel: text.meta({ example: 'mail ops@example.com' }),
        since: time,
        error: text.describe('Why the last try failed.'),
      }),
    )
    .optional()
    .describe(
      'The channels of viewkeeper serve that do not take their messages. Empty on AWS, where SNS delivers.',
    ),
  silence: silence.optional(),
  next,
})

export const viewDetails = named('ViewDetails', null, {
  ...viewSummary.shape,
  owner: textOrNull.describe('Null if the view is missing.'),
  comment: textOrNull,
  sql: textOrNull.describe('Null while a running refresh blocks reading it.'),
  indexes: z.array(z.object({ name: text, unique: boolean, definition: textOrNull })),
  logBytes: count.optional().describe('The room on disk of its change log; null if it has none.'),
  logNote: textOrNull
    .optional()
    .describe('Why its change log is not used, or that nothing checks it; null if neither is so.'),
  recentRuns: z.array(run),
})

const heldLock = named('HeldLock', 'A lock of another session that is in the way of the refresh.', {
  pid: count.describe("The session's process; null for a prepared transaction."),
  role: textOrNull,
  application: textOrNull,
  state: textOrNull.describe('Such as `active` or `idle in transaction`; null if our role may not see it.'),
  since: timeOrNull.describe('When the transaction of the session began; null if our role may not see it.'),
  mode: text.meta({ example: 'AccessExclusiveLock' }),
  relation: text.describe('What the session has locked.'),
  statement: textOrNull.describe(
    'The last statement of the session, with ... instead of each constant; null if our role may not see it.',
  ),
  end: textOrNull.describe(
    'SQL that ends the session; null if the session is a run of Viewkeeper: cancel the run.',
  ),
  endBy: textOrNull.describe('Who may execute it.').meta({ example: 'a superuser' }),
  runId: int.optional().describe("The run whose session it is, if it is Viewkeeper's."),
})

export const why = named('Why', 'Why the data of a view are as old as they are, and what to do.', {
  view: text,
  state,
  culprit,
  ...age,
  nextRun: timeOrNull.describe(
    'When a schedule refreshes the view next; null if none does, or a pause keeps it from that.',
  ),
  nextBy: nextBy.optional(),
  holdsBack: texts.describe(
    'The views that wait for the one to fix first, which is `culprit`, or else this view.',
  ),
  causes: z
    .array(cause)
    .describe('Why the data are as old as they are: the real cause first. There is always one.'),
  locks: z.array(heldLock).describe('Who is in the way of the refresh now: the oldest transaction first.'),
  recentRuns: z.array(run).describe('The last five runs of the view, newest first.'),
  silence: silence.optional(),
})

export const checkedView = named(
  'CheckedView',
  'What the checks of a view have found in the data that readers see.',
  {
    view: text,
    passes: boolean.describe('Whether no check found anything, besides those that only warn.'),
    checks: z.array(
      z.object({
        name: text,
        severity: z.literal('warn').optional().describe('The check only warns.'),
        rows: count.describe('How many rows it found; null if it could not be made.'),
        ms: z.number().nullable(),
        error: z
          .object({ sqlstate: textOrNull, message: text })
          .nullable()
          .describe('Why the check could not be made, without row data.'),
        query: text.describe(
          'The query that shows the rows. It knows the view by its name without a schema.',
        ),
      }),
    ),
  },
)

const batchError = named('BatchError', 'Why a batch did not succeed.', {
  class: z.enum(problemCodes),
  message: text,
  views: texts.optional(),
  openBatchId: text.optional(),
})

export const startedBatch = named('StartedBatch', null, {
  batchId,
  status: z.enum(batchStatuses),
  error: batchError.nullish(),
})

const batchSummary = named('Batch', 'A refresh of several views in dependency order.', {
  id: batchId,
  status: z.enum(batchStatuses),
  trigger: z.enum(triggers),
  requestedBy: text,
  request: z.record(text, z.unknown()),
  selection: z.record(text, z.unknown()),
  strategy: z.enum(strategies).nullable(),
  concurrency: int,
  exchange: z.enum(exchanges),
  maxShadowBytes: count.describe(
    'The room on disk that the shadows of the batch may take, in bytes; null: no limit.',
  ),
  refreshedEach: z
    .array(z.object({ view: text, because: text }))
    .describe('The views that read others of the batch but are not exchanged with them, and why.'),
  locked: z
    .array(z.object({ view: text, because: text, since: time }))
    .describe(
      'The views that wait because somebody has locked a view that they are to be exchanged with: which one, and who.',
    ),
  refused: textOrNull.describe(
    'What the server says to the connections for runs that it does not let in: the batch goes on with those it has. Null: it lets all in.',
  ),
  cancelRequestedAt: timeOrNull,
  requestedAt: time,
  startedAt: timeOrNull,
  advancedAt: timeOrNull.describe('When the batch was last advanced.'),
  finishedAt: timeOrNull,
  elapsedMs: milliseconds,
  error: batchError.nullable(),
})

export const batchList = named('BatchList', null, { batches: z.array(batchSummary), next })

export const batchDetails = named('BatchDetails', 'A batch with its graph.', {
  ...batchSummary.shape,
  estimatedRestMs: milliseconds.describe('The time that is probably left, estimated from past runs.'),
  shadowBytes: int.describe('The room on disk of the shadows that the batch builds, in bytes.'),
  groups: z
    .array(
      z.object({
        views: texts,
        shadowBytes: int,
        inPlace: z
          .boolean()
          .describe(
            'Whether they are refreshed in one transaction where they are, which locks readers out no longer than an exchange.',
          ),
        givenUp: z
          .object({ class: z.enum(problemCodes), message: text })
          .nullable()
          .describe('Why the views were refreshed each by itself instead.'),
      }),
    )
    .describe('The views that are exchanged at one moment.'),
  views: z.array(
    z.object({
      view: text,
      status: z.enum([...runStatuses, 'waiting', 'pruned']),
      includedBecause: textOrNull.describe(
        'Why the batch rebuilds the view although it was not to refresh it; null if the batch was to refresh it.',
      ),
      dependsOn: texts,
      waitsFor: texts.describe(
        'While the view waits: the views of the batch that are not done yet. Empty if only a slot is missing.',
      ),
      estimatedMs: int,
      runs: z.array(
        z.object({
          runId: int,
          status: z.enum(runStatuses),
          attempt: int,
          notBefore: timeOrNull.describe('The earliest start of the run.'),
          startedAt: timeOrNull,
          finishedAt: timeOrNull,
          elapsedMs: milliseconds,
          phase: textOrNull.describe(
            'While the run is running: `building`, `exchange` or the like, if known.',
          ),
          class: textOrNull.describe('The class of the error.'),
          sqlstate: textOrNull.describe('The SQLSTATE of the error.'),
          message: textOrNull.describe(
            'The message of the error, or why the run was skipped; at most 1000 characters.',
          ),
        }),
      ),
    }),
  ),
  next,
})

const viewMetrics = named('ViewMetrics', 'Durations are those of successful refreshes.', {
  id: int,
  view: text,
  runs: int,
  succeeded: int,
  failed: int,
  successRate: z.number().nullable().describe('Successes divided by successes and failures, 0 to 1.'),
  averageMs: milliseconds,
  minMs: milliseconds,
  maxMs: milliseconds,
  p95Ms: milliseconds,
  checksMs: milliseconds.describe('The part of `averageMs` that the checks took; null if none was made.'),
  usualMs: milliseconds.describe(
    'The average of the last 20 successful refreshes, also of those before the window.',
  ),
  paused: boolean,
  lastStatus: z.enum(runStatuses).nullable(),
  ...age,
  stale: boolean,
  missing: boolean,
  ...rowCounts,
  failedLastDay: int,
  lastFailure: z.object({ runId: int, at: time, class: textOrNull }).nullable(),
})

export const metricsList = named('MetricsList', null, {
  windowSeconds: int,
  metrics: z.array(viewMetrics),
  next,
})

const day = z.object({
  day: z.iso.date().meta({ example: '2026-11-20', description: 'In UTC.' }),
  last: z.enum(runStatuses).describe('How the last run that was requested on this day ended.'),
  runs: int,
  failed: int,
})

export const dayList = named('DayList', 'Days without a run are left out, and so are views without one.', {
  views: z.array(named('ViewDays', null, { view: text, days: z.array(day) })),
  next,
})

export const plan = named('Plan', 'What runs in the coming 24 hours.', {
  from: time,
  paused: boolean.describe('Whether everything scheduled is paused now. The plan is as if it were not.'),
  schedules: z.array(
    named('PlannedTurns', null, {
      schedule: text.describe('Five fields of cron.'),
      timeZone: text,
      by: z
        .enum(['view', 'nightly'])
        .describe("Whether it is the views' own schedule, or the one for every view."),
      first: time,
      count: int.describe('How many turns it has in these 24 hours.'),
      views: texts.describe('What each turn refreshes, without paused views.'),
      usualMs: int.describe('How long that usually takes, one after the other, in milliseconds.'),
      meets: z
        .array(z.object({ schedule: text, timeZone: text, at: time, views: texts }))
        .optional()
        .describe(
          'The later schedules that refresh some of the same views at the same moment: the second batch waits for what the first builds.',
        ),
    }),
  ),
  lags: z
    .array(z.object({ view: text, lagMs: int, for: textOrNull }))
    .describe(
      'What is refreshed whenever its data become `lagMs` old, and for which view; null: for its own sake.',
    ),
  leftOut: z
    .array(z.object({ view: text, because: z.enum(['paused', 'suspended']), until: timeOrNull }))
    .describe('What is left out while it is paused, or suspended until then.'),
})

export const actionList = named('ActionList', 'Who did what. Refreshes without `force` are runs only.', {
  actions: z.array(
    named('Action', null, {
      id: int,
      at: time,
      action: z.enum(actionNames),
      requestedBy: text,
      views: texts.describe(
        'Empty: the views of the batch, everything that is scheduled (`pause`, `resume`), or none.',
      ),
      runId: count,
      batchId: textOrNull,
      status: z
        .enum(runStatuses)
        .nullable()
        .describe(
          'Of the run or the batch: how what was asked for ended. Null: it has neither, or that is pruned.',
        ),
      request: z.record(text, z.unknown()).describe('The options of the deed.'),
    }),
  ),
  next,
})

export const pauseState = named('PauseState', null, { paused: boolean, view: text.optional() })

export const quietState = named('QuietState', null, {
  quiet: quietWindow.nullable().describe('Null: people are told.'),
})

export const problem = named('Problem', 'RFC 9457 problem details.', {
  type: text,
  title: text,
  status: int,
  detail: text,
  code: z.enum(problemCodes),
  field: text.optional().describe('The field of the request that is wrong.'),
  runId: int.optional().describe('The run that records this failure.'),
  runningRunId: int.optional().describe('The run of the view that goes on already.'),
  batchId: text.optional().describe('The batch that records this failure.'),
  openBatchId: text.optional().describe('The batch of the same views that goes on already.'),
  sqlstate: text.optional(),
  next: text
    .optional()
    .describe('Of a run that failed: what to type next, a command line of `viewkeeper`, or SQL.'),
} satisfies Record<keyof ProblemBody, z.ZodType>)

/** The OpenAPI file itself. */
export const openapiDocument = z.record(text, z.unknown())

// The types of the answers, for the command line and the page.

export type ViewList = z.infer<typeof viewList>
export type View = ViewList['views'][number]
export type ViewDetails = z.infer<typeof viewDetails>
export type Why = z.infer<typeof why>
export type CauseOfWhy = Why['causes'][number]
export type ToldLock = Why['locks'][number]
export type Run = z.infer<typeof run>
export type ToldBatch = z.infer<typeof batchList>['batches'][number]
export type BatchDetails = z.infer<typeof batchDetails>
export type ToldBatchView = BatchDetails['views'][number]
export type ToldBatchRun = ToldBatchView['runs'][number]
export type MetricsList = z.infer<typeof metricsList>
export type ViewMetrics = z.infer<typeof viewMetrics>
export type DayList = z.infer<typeof dayList>
export type Plan = z.infer<typeof plan>
export type ToldAction = z.infer<typeof actionList>['actions'][number]
export type CheckedView = z.infer<typeof checkedView>
