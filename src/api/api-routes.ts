import * as actions from './routes/actions.ts'
import * as batches from './routes/batches.ts'
import * as metrics from './routes/metrics.ts'
import * as pauses from './routes/pauses.ts'
import * as plan from './routes/plan.ts'
import * as runs from './routes/runs.ts'
import * as views from './routes/views.ts'

/** What the function `api` answers: all but operations and new batches. */
export const apiRoutes = { ...views, ...runs, ...batches, ...pauses, ...actions, ...metrics, ...plan }
