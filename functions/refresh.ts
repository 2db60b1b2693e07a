import { operationFunction } from '../src/edge/handlers/operation.ts'
import { routes } from '../src/edge/http/routes.ts'
import { refreshOptions } from '../src/edge/http/schemas.ts'
import { refresh } from '../src/operations/runs/refresh.ts'

/** Refreshes one view, for the HTTP route and for schedules. */
export const handler = operationFunction({
  route: routes.refreshView,
  options: refreshOptions,
  perform: refresh,
})
