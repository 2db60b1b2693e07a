import * as batches from './routes/batches.ts'
import * as history from './routes/history.ts'
import * as pauses from './routes/pauses.ts'
import * as runs from './routes/runs.ts'
import * as views from './routes/views.ts'

/** What the function `api` answers: all but operations and new batches. */
export const apiRoutes = { ...views, ...runs, ...batches, ...pauses, ...history }
