import { operationFunction } from '../src/edge/handlers/operation.ts'
import { routes } from '../src/edge/http/routes.ts'
import { createOptions } from '../src/edge/http/schemas.ts'
import { create } from '../src/operations/runs/create.ts'

/** Creates one view from its definition, for the HTTP route and for schedules. */
export const handler = operationFunction({
  route: routes.createView,
  options: createOptions,
  perform: create,
})
