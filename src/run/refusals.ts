import { Problem } from '../problem.ts'

/** The refusals of requests about a run or a batch, which a caller names by its id or by an Idempotency-Key. */

type Kind = 'run' | 'batch'

const codes = {
  run: { unknown: 'UnknownRun', ended: 'RunEnded' },
  batch: { unknown: 'UnknownBatch', ended: 'BatchEnded' },
} as const

export const unknown = (kind: Kind, id: number | string, field = 'id'): Problem =>
  new Problem(codes[kind].unknown, `There is no ${kind} ${id} in the history.`, { field })

/** The refusal of a cancel that came too late. */
export const endedBefore = (kind: Kind, id: number | string, status: string): Problem =>
  new Problem(
    codes[kind].ended,
    `${kind === 'run' ? 'Run' : 'Batch'} ${id} ended before it could be canceled: its status is ${status}.`,
    { [`${kind}Id`]: id },
  )

/** The refusal of a request whose Idempotency-Key belongs to another request. */
export const keyReused = (kind: Kind, id: number | string, key: string): Problem =>
  new Problem(
    'IdempotencyKeyReused',
    `Idempotency-Key ${JSON.stringify(key)} already belongs to another request, which made ${kind} ${id}. ` +
      'Send a new key with a new request.',
    { field: 'Idempotency-Key', [`${kind}Id`]: id },
  )
