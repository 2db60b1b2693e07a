import type * as z from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { type RouteName, routes } from './routes.ts'
import * as schemas from './schemas/answers.ts'
import { batchOptions } from './schemas/batches.ts'
import { viewPath } from './schemas/fields.ts'
import { batchPath, runPath } from './schemas/ids.ts'
import { createOptions, dropOptions, refreshOptions } from './schemas/operations.ts'
import { pauseOptions } from './schemas/pauses.ts'
import {
  actionsQuery,
  batchesQuery,
  batchQuery,
  daysQuery,
  metricsQuery,
  planQuery,
  runsQuery,
  viewsQuery,
} from './schemas/queries.ts'

interface Description<Body = unknown> {
  summary: string
  /** What people read of the route in docs/http.md, with links relative to it; default: the summary. */
  does?: string
  path?: z.core.$ZodObject
  query?: z.core.$ZodObject
  body?: z.core.$ZodType
  headers?: Header[]
  answers: Record<number, { description: string; schema: z.ZodType<Body> }>
}

type Header = {
  name: string
  in: 'header'
  schema: { type: 'string'; minLength?: number; maxLength?: number }
  example?: string
  description: string
}

const waitHeader = (description: string): Header => ({
  name: 'Prefer',
  in: 'header',
  schema: { type: 'string' },
  example: 'wait=20',
  description,
})

const waitForEnd = waitHeader(
  'How many seconds to wait for the end, at most 25; by default until the server has claimed the run.',
)
const waitForCancel = waitHeader('How many seconds to wait for the end: 3 to 25, by default 3.')

const keyHeader = (what: string): Header => ({
  name: 'Idempotency-Key',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  description: `Requests of one caller with the same key and body are one ${what}; another body is refused.`,
})

const finished = { description: 'The run has ended.', schema: schemas.result }
const running = { description: 'The run goes on; `Location` is its route.', schema: schemas.result }

/** A `POST` has to say which headers it reads. */
type Descriptions = {
  [Name in Exclude<RouteName, 'getOpenapi'>]: (typeof routes)[Name]['method'] extends 'POST'
    ? Description<schemas.Answers[Name]> & { headers: Header[] }
    : Description<schemas.Answers[Name]>
}

/** An operation on a view. */
const operates = (summary: string, body: z.core.$ZodType) => ({
  summary,
  path: viewPath,
  body,
  headers: [waitForEnd, keyHeader('run')],
  answers: { 200: finished, 202: running },
})

/** A route that pauses or resumes something. */
const pauses = (summary: string, path?: z.core.$ZodObject, body?: typeof pauseOptions) => ({
  summary,
  ...(path && { path }),
  ...(body && { body }),
  headers: [],
  answers: { 200: { description: 'The pause as it is now.', schema: schemas.pauseState } },
})

/** A route that only reads. */
const reads = <Body>(
  summary: string,
  description: string,
  schema: z.ZodType<Body>,
  takes: Pick<Description, 'does' | 'path' | 'query'>,
): Description<Body> => ({ summary, ...takes, answers: { 200: { description, schema } } })

/** What each route takes and answers. The same schemas validate the requests; `npm run docs` makes the table of docs/http.md. */
export const descriptions: Descriptions = {
  createView: operates('Creates a view from its definition', createOptions),
  refreshView: operates('Refreshes a view', refreshOptions),
  checkView: {
    summary: 'Makes the checks of a view on the data that readers see',
    does: 'Runs the [checks](checks.md#check) on the data that readers see: `passes`, and the rows that each check found',
    path: viewPath,
    headers: [],
    answers: { 200: { description: 'What each check has found.', schema: schemas.checkedView } },
  },
  dropView: operates('Drops a view', dropOptions),
  cancelRun: {
    summary: 'Cancels a run on the server',
    path: runPath,
    headers: [waitForCancel],
    answers: { 200: finished, 202: running },
  },
  startBatch: {
    summary: 'Refreshes several views in dependency order',
    does: 'Refreshes several views in dependency order: [batches.md](batches.md)',
    body: batchOptions,
    headers: [keyHeader('batch')],
    answers: {
      200: { description: 'The batch with this key has ended.', schema: schemas.startedBatch },
      202: { description: 'The batch goes on; `Location` is its route.', schema: schemas.startedBatch },
    },
  },
  cancelBatch: {
    summary: 'Cancels a batch with its runs',
    path: batchPath,
    headers: [waitForCancel],
    answers: {
      200: { description: 'The batch has ended.', schema: schemas.startedBatch },
      202: { description: 'The batch is ending; `Location` is its route.', schema: schemas.startedBatch },
    },
  },
  pauseView: pauses(
    'Pauses a view: its refreshes are skipped, except with `force`, perhaps `until` a moment',
    viewPath,
    pauseOptions,
  ),
  resumeView: pauses('Resumes a view: its refreshes run again', viewPath),
  pauseAll: pauses(
    'Pauses everything: schedules and deploys start no more refreshes, perhaps `until` a moment',
    undefined,
    pauseOptions,
  ),
  resumeAll: pauses('Resumes everything: schedules and deploys start refreshes again'),
  listViews: reads('Lists every view', 'The views.', schemas.viewList, {
    does:
      'Every view in the catalog, and every authored view that is missing or set aside: `state` and `culprit`, the view to fix first; last ' +
      "run and success, `asOf`, `heldBackBy`, age and limit. `nextRun`, and `nextBy`: the `view`'s schedule, the `nightly` one, a target " +
      '`lag` or a `retry`; what it reads and what reads it; `aside`, `retry`, `leftOut`, `savedMs`, `cost`. `?state=` selects `stale` (with `unknown`), ' +
      '`failed`, `heldBack`, `unknown`, `running`, `paused`, `unpopulated`, `missing` or `aside`. `paused`: everything is',
    query: viewsQuery,
  }),
  getView: reads('Shows one view', 'The view.', schemas.viewDetails, {
    does: 'One view: the same, and its SQL, indexes, owner and last runs',
    path: viewPath,
  }),
  getWhy: reads(
    'Says why the data of a view are as old as they are, and what to do',
    'The causes, the real one first.',
    schemas.why,
    {
      does: '[Why its data are as old as they are](http.md#why-a-view-is-old), who is in the way, and what to type',
      path: viewPath,
    },
  ),
  listActions: reads(
    'Lists what people did by hand, newest first: who, what, when, to what',
    'A page of actions.',
    schemas.actionList,
    {
      does:
        '[What people did by hand](monitoring.md#who-did-what), newest first: `view`, `action`, `since`, `until`, `limit` (50, at most ' +
        '200), `cursor`',
      query: actionsQuery,
    },
  ),
  listDays: reads(
    'Shows for each view and day how its runs ended',
    'The views with runs on these days.',
    schemas.dayList,
    {
      does: 'Per view and day (UTC): runs, failures, how the last one ended: `days` (14, at most 31), `cursor`',
      query: daysQuery,
    },
  ),
  getMetrics: reads(
    'Shows counts and durations of the runs of each view in a window, and how each view is now',
    'The metrics.',
    schemas.metricsList,
    {
      does: 'Per view: runs, success rate, durations, failures, usual duration (`usualMs`), age (`staleMs`): `view`, `window` (`24h`), `cursor`',
      query: metricsQuery,
    },
  ),
  getPlan: reads('Says what runs in the coming 24 hours', 'The plan.', schemas.plan, {
    does: 'What runs in the coming 24 hours: each schedule with its turns, views and usual duration; and what a target lag refreshes',
    query: planQuery,
  }),
  listRuns: reads('Lists runs, newest first', 'A page of runs.', schemas.runList, {
    does:
      'History, newest first: `view` or `pattern` (a glob on `schema.name`), `operation`, `status` (`failed,canceled`), `since`, `until`, ' +
      '`limit` (50, at most 200), `cursor`',
    query: runsQuery,
  }),
  listBatches: reads('Lists batches, newest first', 'A page of batches.', schemas.batchList, {
    does: 'Batches, newest first: `status`, `limit`, `cursor`',
    query: batchesQuery,
  }),
  getBatch: reads('Shows one batch with its graph', 'The batch.', schemas.batchDetails, {
    does:
      "One batch with its graph: each view's state, attempts, phase, why the batch includes it (`includedBecause`), what it `waitsFor` (none: a free slot); time " +
      'elapsed and estimated',
    path: batchPath,
    query: batchQuery,
  }),
  getRun: reads('Shows one run', 'The run.', schemas.run, {
    does: 'One run; a waiting retry has `notBefore`, a running one its phase, the time elapsed and an estimate',
    path: runPath,
  }),
}

/** The OpenAPI 3.1 description of the API, from the schemas that validate its requests. */
export function openapi(): object {
  const paths: ZodOpenApiPathsObject = {}
  for (const [name, description] of Object.entries(descriptions) as [
    keyof typeof descriptions,
    Description,
  ][]) {
    const { path, method } = routes[name]
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation(name, description) }
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Viewkeeper',
      version: '1',
      description:
        'Keeps PostgreSQL materialized views fresh. Every call is signed with AWS Signature Version 4.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        iam: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'AWS Signature Version 4, service execute-api.',
        },
      },
    },
    security: [{ iam: [] }],
  })
}

function operation(
  name: RouteName,
  { summary, does, path, query, body, headers, answers }: Description,
): ZodOpenApiOperationObject {
  return {
    operationId: name,
    summary,
    ...(does && { description: does.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1') }),
    requestParams: { ...(path && { path }), ...(query && { query }) },
    ...(headers && { parameters: headers }),
    ...(body && { requestBody: { required: false, content: { 'application/json': { schema: body } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, schema }]) => [
          status,
          { description, content: { 'application/json': { schema } } },
        ]),
      ),
      default: {
        description: 'What went wrong, and what to do about it.',
        content: { 'application/problem+json': { schema: schemas.problem } },
      },
    },
  }
}
