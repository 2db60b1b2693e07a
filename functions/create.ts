import { operationFunction } from '../src/edge/operation.ts'
import { routes } from '../src/edge/routes.ts'
import { createOptions } from '../src/edge/schemas.ts'
import { create } from '../src/operations/create.ts'

/** Creates one view from its definition, for the HTTP route and for schedules. */
export const handler = operationFunction({
  route: routes.createView,
  options: createOptions,
  perform: create,
})
