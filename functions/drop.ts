import { operationFunction } from '../src/edge/operation.ts'
import { routes } from '../src/edge/routes.ts'
import { dropOptions } from '../src/edge/schemas.ts'
import { drop } from '../src/operations/drop.ts'

/** Drops one view, for the HTTP route and for schedules. */
export const handler = operationFunction({ route: routes.dropView, options: dropOptions, perform: drop })
