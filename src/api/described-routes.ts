import * as actions from './routes/actions.ts'
import * as batches from './routes/batches.ts'
import { createView } from './routes/create.ts'
import { dropView } from './routes/drop.ts'
import * as metrics from './routes/metrics.ts'
import * as pauses from './routes/pauses.ts'
import * as plan from './routes/plan.ts'
import { refreshView } from './routes/refresh.ts'
import * as runs from './routes/runs.ts'
import { startBatch } from './routes/start-batch.ts'
import * as views from './routes/views.ts'

/** Every route that the OpenAPI file describes: all but its own. */
export const describedRoutes = {
  createView,
  refreshView,
  dropView,
  startBatch,
  ...views,
  ...runs,
  ...batches,
  ...pauses,
  ...actions,
  ...metrics,
  ...plan,
}
