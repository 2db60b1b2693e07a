import { Problem } from '../../problem.ts'

/** The refusal of a request whose Idempotency-Key belongs to another request. */
export const keyReused = (key: string, kind: 'run' | 'batch', id: number | string): Problem =>
  new Problem(
    'IdempotencyKeyReused',
    `Idempotency-Key ${JSON.stringify(key)} already belongs to another request, which made ${kind} ${id}. ` +
      'Send a new key with a new request.',
    { field: 'Idempotency-Key', [`${kind}Id`]: id },
  )
