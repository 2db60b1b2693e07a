import type { z } from 'zod'
import type * as schemas from '../../src/edge/http/schemas/answers.ts'

// The answers of the API, by the schemas that the API makes them with. Only their types are imported, so no command waits
// for zod.

type Of<Name extends keyof typeof schemas> = (typeof schemas)[Name] extends z.ZodType
  ? z.infer<(typeof schemas)[Name]>
  : never

export type ViewList = Of<'viewList'>
export type View = ViewList['views'][number]
export type ViewDetails = Of<'viewDetails'>
export type Run = Of<'run'>
export type RunList = Of<'runList'>
export type Result = Of<'result'>
export type BatchList = Of<'batchList'>
export type Batch = BatchList['batches'][number]
export type BatchDetails = Of<'batchDetails'>
export type BatchView = BatchDetails['views'][number]
export type StartedBatch = Of<'startedBatch'>
export type MetricsList = Of<'metricsList'>
export type ViewMetrics = MetricsList['metrics'][number]
export type Why = Of<'why'>
export type PauseState = Of<'pauseState'>
