import type * as z from 'zod'
import type * as schemas from '../../../src/edge/http/schemas/answers.ts'

// The answers of the API, as its own schemas describe them. Only types: no schema gets into the bundle.

export type ViewList = z.infer<typeof schemas.viewList>
export type View = ViewList['views'][number]
export type ViewDetails = z.infer<typeof schemas.viewDetails>
export type Why = z.infer<typeof schemas.why>
export type Cause = Why['causes'][number]
export type HeldLock = Why['locks'][number]
export type RunList = z.infer<typeof schemas.runList>
export type Run = RunList['runs'][number]
export type RunResult = Run['result']
export type BatchList = z.infer<typeof schemas.batchList>
export type Batch = BatchList['batches'][number]
export type BatchDetails = z.infer<typeof schemas.batchDetails>
export type BatchView = BatchDetails['views'][number]
export type BatchRun = BatchView['runs'][number]
export type StartedBatch = z.infer<typeof schemas.startedBatch>
export type ProblemBody = z.infer<typeof schemas.problem>

/** `GET /page.json`: the environment that the page shows. */
export interface Target {
  name: string
  environment: string | null
  url: string
}
