import { operationFunction } from '../src/edge/handlers/operation.ts'
import { createOptions } from '../src/edge/http/schemas/operations.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { create } from '../src/run/create.ts'

/** Creates one view from its definition, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'createView',
  options: createOptions,
  perform: create,
})
