import * as z from 'zod/mini'
import { described, mostInteger, whole } from './fields.ts'

export const runId = described(whole(mostInteger), { description: "The run's id.", example: 812 })

const likeBatchId = "must be a batch's id, such as 20261120-090000-1f3c9a2b"
export const batchId = described(z.string(likeBatchId).check(z.regex(/^[0-9A-Za-z_-]{1,80}$/, likeBatchId)), {
  description: "The batch's id.",
  example: '20261120-090000-1f3c9a2b',
})

export const runPath = z.strictObject({ id: runId })
export const batchPath = z.strictObject({ id: batchId })
