import type { Cause } from '../api/types.ts'

/** Causes that only say that everything goes its way. */
const calm: ReadonlySet<Cause['code']> = new Set([
  'Fresh',
  'NoLimit',
  'NotYetDue',
  'Running',
  'Pending',
  'WaitsInBatch',
  'NotScheduled',
  'Paused',
  'AllPaused',
])

/** Whether somebody has to look at a cause. */
export const isBad = ({ code }: Pick<Cause, 'code'>): boolean => !calm.has(code)
