import { operationFunction } from '../src/edge/operation.ts'
import { routes } from '../src/edge/routes.ts'
import { refreshOptions } from '../src/edge/schemas.ts'
import { refresh } from '../src/operations/refresh.ts'

/** Refreshes one view, for the HTTP route and for schedules. */
export const handler = operationFunction({
  route: routes.refreshView,
  options: refreshOptions,
  perform: refresh,
})
