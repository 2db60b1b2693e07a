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

const operationHeaders = [waitForEnd, keyHeader('run')]

const finished = { description: 'The run has ended.', schema: schemas.result }
const running = { description: 'The run goes on; `Location` is its route.', schema: schemas.result }

const paused = { description: 'The pause as it is now.', schema: schemas.pauseState }

/** A `POST` has to say which headers it reads. */
type Descriptions = {
  [Name in Exclude<RouteName, 'getOpenapi'>]: (typeof routes)[Name]['method'] extends 'POST'
    ? Description & { headers: Header[] }
    : Description
}

/** What each route takes and answers. The same schemas validate the requests. */
const descriptions: Descriptions = {
  refreshView: {
    summary: 'Refresh a view',
    path: viewPath,
    body: refreshOptions,
    headers: operationHeaders,
    answers: { 200: finished, 202: running },
  },
  createView: {
    summary: 'Create a view from its definition',
    path: viewPath,
    body: createOptions,
    headers: operationHeaders,
    answers: { 200: finished, 202: running },
  },
  dropView: {
    summary: 'Drop a view',
    path: viewPath,
    body: dropOptions,
    headers: operationHeaders,
    answers: { 200: finished, 202: running },
  },
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
  pauseView: {
    summary: 'Pause a view: its refreshes are skipped, except with `force`',
    path: viewPath,
    headers: [],
    answers: { 200: paused },
  },
  resumeView: { summary: 'Resume a view', path: viewPath, headers: [], answers: { 200: paused } },
  pauseAll: { summary: 'Pause everything that is scheduled', headers: [], answers: { 200: paused } },
  resumeAll: { summary: 'Resume everything that is scheduled', headers: [], answers: { 200: paused } },
  listBatches: {
    summary: 'List batches, newest first',
    query: batchesQuery,
    answers: { 200: { description: 'A page of batches.', schema: schemas.batchList } },
  },
  getBatch: {
    summary: 'Show one batch with its graph',
    path: batchPath,
    query: batchQuery,
    answers: { 200: { description: 'The batch.', schema: schemas.batchDetails } },
  },
  getMetrics: {
    summary: 'Show counts and durations of the runs of each view in a window, and how each view is now',
    query: metricsQuery,
    answers: { 200: { description: 'The metrics.', schema: schemas.metricsList } },
  },
  listViews: {
    summary: 'List every view',
    query: viewsQuery,
    answers: { 200: { description: 'The views.', schema: schemas.viewList } },
  },
  getView: {
    summary: 'Show one view',
    path: viewPath,
    answers: { 200: { description: 'The view.', schema: schemas.viewDetails } },
  },
  getWhy: {
    summary: 'Say why the data of a view are as old as they are, and what to do',
    path: viewPath,
    answers: { 200: { description: 'The causes, the real one first.', schema: schemas.why } },
  },
  listRuns: {
    summary: 'List runs, newest first',
    query: runsQuery,
    answers: { 200: { description: 'A page of runs.', schema: schemas.runList } },
  },
  getRun: {
    summary: 'Show one run',
    path: runPath,
    answers: { 200: { description: 'The run.', schema: schemas.run } },
  },
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
