import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { operationFunction } from '../src/api/lambda/operation.ts'
import { createOptions } from '../src/api/schemas/operations.ts'
import { create } from '../src/run/create.ts'

/** Creates one view from its definition, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'createView',
  options: createOptions,
  perform: create,
})
