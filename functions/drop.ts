import { operationFunction } from '../src/edge/handlers/operation.ts'
import { dropOptions } from '../src/edge/http/schemas/operations.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { drop } from '../src/run/drop.ts'

/** Drops one view, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'dropView',
  options: dropOptions,
  perform: drop,
})
