import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { operationFunction } from '../src/api/lambda/operation.ts'
import { refreshOptions } from '../src/api/schemas/operations.ts'
import { refresh } from '../src/run/refresh.ts'

/** Refreshes one view, for the HTTP route and for schedules. */
export const handler = operationFunction(readConfiguration, {
  route: 'refreshView',
  options: refreshOptions,
  perform: refresh,
})
