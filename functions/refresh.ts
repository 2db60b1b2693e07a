import { operationFunction } from '../src/edge/handlers/operation.ts'
import { refreshOptions } from '../src/edge/http/schemas/operations.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { refresh } from '../src/run/refresh.ts'

/** Refreshes one view, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'refreshView',
  options: refreshOptions,
  perform: refresh,
})
