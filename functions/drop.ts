import { operationFunction } from '../src/edge/handlers/operation.ts'
import { routes } from '../src/edge/http/routes.ts'
import { dropOptions } from '../src/edge/http/schemas.ts'
import { drop } from '../src/operations/runs/drop.ts'

/** Drops one view, for the HTTP route and for schedules. */
export const handler = operationFunction({ route: routes.dropView, options: dropOptions, perform: drop })
