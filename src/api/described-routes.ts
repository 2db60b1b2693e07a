import { apiRoutes } from './api-routes.ts'
import { createView, dropView } from './routes/define.ts'
import { refreshView } from './routes/refresh.ts'
import { startBatch } from './routes/start-batch.ts'

/** Every route that the OpenAPI file describes: all but its own. */
export const describedRoutes = { createView, refreshView, dropView, startBatch, ...apiRoutes }
