import { Problem } from '../../problem.ts'

/** The refusal of a request whose Idempotency-Key already stands for the answer to another one. */
export const keyReused = (key: string, kind: 'run' | 'batch', id: number | string): Problem =>
  new Problem(
    'IdempotencyKeyReused',
    `Idempotency-Key ${JSON.stringify(key)} already stands for ${kind} ${id}, which was asked for something else. ` +
      'Send a new key with a new request.',
    { field: 'Idempotency-Key', [`${kind}Id`]: id },
  )
