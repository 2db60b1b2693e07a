import type { Patience } from '../../db/views/look.ts'
import { giveUpAfterMs } from '../../plan/runs/locks.ts'
import type { Call } from './call.ts'

/** Less than any function's time, and enough for a momentary lock. */
const shortestMs = 8000

/**
 * How long to wait for somebody's exclusive lock before a run can be planned: as long as the run itself would wait and the
 * caller does. A caller who does not wait at all still waits some seconds. Another run of the view is not waited for.
 */
export const patienceOf = ({ waitUntil }: Pick<Call, 'waitUntil'>, timeoutSeconds: number): Patience => ({
  until: Math.min(Date.now() + giveUpAfterMs(timeoutSeconds), Math.max(waitUntil, Date.now() + shortestMs)),
  ifRunning: 'skip',
})
