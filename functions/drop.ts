import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { operationFunction } from '../src/api/lambda/operation.ts'
import { dropOptions } from '../src/api/schemas/operations.ts'
import { drop } from '../src/run/drop.ts'

/** Drops one view, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'dropView',
  options: dropOptions,
  perform: drop,
})
