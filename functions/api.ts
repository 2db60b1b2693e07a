import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { httpFunction } from '../src/api/lambda/function.ts'
import * as actions from '../src/api/routes/actions.ts'
import * as batches from '../src/api/routes/batches.ts'
import * as metrics from '../src/api/routes/metrics.ts'
import * as openapi from '../src/api/routes/openapi.ts'
import * as pauses from '../src/api/routes/pauses.ts'
import * as plan from '../src/api/routes/plan.ts'
import * as runs from '../src/api/routes/runs.ts'
import * as views from '../src/api/routes/views.ts'

/** Answers every route but those of operations and of new batches: it reads, cancels, pauses and resumes. */
export const handler = httpFunction(readConfiguration, {
  ...views,
  ...runs,
  ...batches,
  ...pauses,
  ...actions,
  ...metrics,
  ...plan,
  ...openapi,
})
