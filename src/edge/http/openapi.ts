import type * as z from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { type RouteName, routes } from './routes.ts'
import * as schemas from './schemas.ts'

interface Description {
  summary: string
  path?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  answers: Record<number, { description: string; schema: z.ZodType }>
}

const finished = { description: 'Finished.', schema: schemas.result }
const running = { description: 'Still running; `Location` says where to look.', schema: schemas.result }

const paused = { description: 'How it is now.', schema: schemas.pauseState }

/** What each route takes and answers, in the schemas that also validate it. */
const descriptions: Record<Exclude<RouteName, 'getOpenapi'>, Description> = {
  refreshView: {
    summary: 'Refresh a view',
    path: schemas.viewPath,
    body: schemas.refreshOptions,
    answers: { 200: finished, 202: running },
  },
  createView: {
    summary: 'Create a view from its definition',
    path: schemas.viewPath,
    body: schemas.createOptions,
    answers: { 200: finished, 202: running },
  },
  dropView: {
    summary: 'Drop a view',
    path: schemas.viewPath,
    body: schemas.dropOptions,
    answers: { 200: finished, 202: running },
  },
  cancelRun: { summary: 'Cancel a run', path: schemas.runPath, answers: { 200: finished, 202: running } },
  startBatch: {
    summary: 'Refresh several views, in the order in which they read each other',
    body: schemas.batchOptions,
    answers: {
      200: { description: 'The batch of this key, which has ended.', schema: schemas.startedBatch },
      202: { description: 'On its way; `Location` says where to look.', schema: schemas.startedBatch },
    },
  },
  cancelBatch: {
    summary: 'Cancel a batch',
    path: schemas.batchPath,
    answers: {
      200: { description: 'It has ended.', schema: schemas.startedBatch },
      202: { description: 'It is ending.', schema: schemas.startedBatch },
    },
  },
  pauseView: {
    summary: 'Have schedules and batches leave a view out',
    path: schemas.viewPath,
    answers: { 200: paused },
  },
  resumeView: { summary: 'Take a paused view in again', path: schemas.viewPath, answers: { 200: paused } },
  pauseAll: { summary: 'Stop everything that is scheduled', answers: { 200: paused } },
  resumeAll: { summary: 'Let what is scheduled go on', answers: { 200: paused } },
  listBatches: {
    summary: 'List batches, newest first',
    query: schemas.batchesQuery,
    answers: { 200: { description: 'A page of batches.', schema: schemas.batchList } },
  },
  getBatch: {
    summary: 'Show one batch with its graph',
    path: schemas.batchPath,
    answers: { 200: { description: 'The batch.', schema: schemas.batchDetails } },
  },
  getMetrics: {
    summary: 'What the runs of each view came to within a time, and how it is now',
    query: schemas.metricsQuery,
    answers: { 200: { description: 'The metrics.', schema: schemas.metricsList } },
  },
  listViews: {
    summary: 'List every view',
    query: schemas.viewsQuery,
    answers: { 200: { description: 'The views.', schema: schemas.viewList } },
  },
  getView: {
    summary: 'Show one view',
    path: schemas.viewPath,
    answers: { 200: { description: 'The view.', schema: schemas.viewDetails } },
  },
  listRuns: {
    summary: 'List runs, newest first',
    query: schemas.runsQuery,
    answers: { 200: { description: 'A page of runs.', schema: schemas.runList } },
  },
  getRun: {
    summary: 'Show one run',
    path: schemas.runPath,
    answers: { 200: { description: 'The run.', schema: schemas.run } },
  },
}

const waiting = {
  name: 'Prefer',
  in: 'header',
  schema: { type: 'string' },
  example: 'wait=20',
  description:
    'How many seconds to wait for the end, at most 25; by default until the server has taken the run on.',
} as const

const idempotency = {
  name: 'Idempotency-Key',
  in: 'header',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  description: 'The same key and body from the same caller are the same run; another body is refused.',
} as const

/** The OpenAPI 3.1 description of the API, made of the schemas that validate it. */
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

/** What else a `POST` heeds. Canceling and pausing come to the same however often they are asked for. */
const headersOf = (name: RouteName) =>
  name === 'startBatch'
    ? [idempotency]
    : name === 'cancelRun' || name === 'cancelBatch'
      ? [waiting]
      : /^(pause|resume)/.test(name)
        ? []
        : [waiting, idempotency]

function operation(
  name: RouteName,
  { summary, path, query, body, answers }: Description,
): ZodOpenApiOperationObject {
  const post = routes[name].method === 'POST'
  return {
    operationId: name,
    summary,
    requestParams: { ...(path && { path }), ...(query && { query }) },
    ...(post && { parameters: headersOf(name) }),
    ...(body && { requestBody: { required: false, content: { 'application/json': { schema: body } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description, schema }]) => [
          status,
          { description, content: { 'application/json': { schema } } },
        ]),
      ),
      default: {
        description: 'What went wrong, and what to do.',
        content: { 'application/problem+json': { schema: schemas.problem } },
      },
    },
  }
}
