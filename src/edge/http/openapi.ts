import type * as z from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { type RouteName, routes } from './routes.ts'
import * as schemas from './schemas/answers.ts'
import { batchOptions } from './schemas/batches.ts'
import { createOptions } from './schemas/create.ts'
import { dropOptions } from './schemas/drop.ts'
import { viewPath } from './schemas/fields.ts'
import { batchPath, runPath } from './schemas/ids.ts'
import { batchesQuery, batchQuery, metricsQuery, runsQuery, viewsQuery } from './schemas/queries.ts'
import { refreshOptions } from './schemas/refresh.ts'

interface Description {
  summary: string
  path?: z.core.$ZodObject
  query?: z.core.$ZodObject
  body?: z.core.$ZodType
  headers?: Header[]
  answers: Record<number, { description: string; schema: z.ZodType }>
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
    ? Description & { headers: Header[] }
    : Description
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
const pauses = (summary: string, path?: z.core.$ZodObject) => ({
  summary,
  ...(path && { path }),
  headers: [],
  answers: { 200: { description: 'The pause as it is now.', schema: schemas.pauseState } },
})

/** A route that only reads. */
const reads = (
  summary: string,
  description: string,
  schema: z.ZodType,
  takes: Pick<Description, 'path' | 'query'>,
): Description => ({ summary, ...takes, answers: { 200: { description, schema } } })

/** What each route takes and answers. The same schemas validate the requests. */
const descriptions: Descriptions = {
  refreshView: operates('Refresh a view', refreshOptions),
  createView: operates('Create a view from its definition', createOptions),
  dropView: operates('Drop a view', dropOptions),
  cancelRun: {
    summary: 'Cancel a run',
    path: runPath,
    headers: [waitForCancel],
    answers: { 200: finished, 202: running },
  },
  startBatch: {
    summary: 'Refresh several views, in the order in which they read each other',
    body: batchOptions,
    headers: [keyHeader('batch')],
    answers: {
      200: { description: 'The batch with this key has ended.', schema: schemas.startedBatch },
      202: { description: 'The batch goes on; `Location` is its route.', schema: schemas.startedBatch },
    },
  },
  cancelBatch: {
    summary: 'Cancel a batch',
    path: batchPath,
    headers: [waitForCancel],
    answers: {
      200: { description: 'The batch has ended.', schema: schemas.startedBatch },
      202: { description: 'The batch is ending; `Location` is its route.', schema: schemas.startedBatch },
    },
  },
  pauseView: pauses('Pause a view: its refreshes are skipped, except with `force`', viewPath),
  resumeView: pauses('Resume a view', viewPath),
  pauseAll: pauses('Pause everything that is scheduled'),
  resumeAll: pauses('Resume everything that is scheduled'),
  listBatches: reads('List batches, newest first', 'A page of batches.', schemas.batchList, {
    query: batchesQuery,
  }),
  getBatch: reads('Show one batch with its graph', 'The batch.', schemas.batchDetails, {
    path: batchPath,
    query: batchQuery,
  }),
  getMetrics: reads(
    'Show counts and durations of the runs of each view in a window, and how each view is now',
    'The metrics.',
    schemas.metricsList,
    { query: metricsQuery },
  ),
  listViews: reads('List every view', 'The views.', schemas.viewList, { query: viewsQuery }),
  getView: reads('Show one view', 'The view.', schemas.viewDetails, { path: viewPath }),
  getWhy: reads(
    'Say why the data of a view are as old as they are, and what to do',
    'The causes, the real one first.',
    schemas.why,
    { path: viewPath },
  ),
  listRuns: reads('List runs, newest first', 'A page of runs.', schemas.runList, { query: runsQuery }),
  getRun: reads('Show one run', 'The run.', schemas.run, { path: runPath }),
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
  { summary, path, query, body, headers, answers }: Description,
): ZodOpenApiOperationObject {
  return {
    operationId: name,
    summary,
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
