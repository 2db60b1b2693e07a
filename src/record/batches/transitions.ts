import { cancellation } from '../runs/cancel.ts'
import { loss, planningAgain, refusal, skipping, type Transition } from '../runs/life.ts'
import { missedTurn } from './attempts.ts'
import { givingUp } from './batch-groups.ts'
import { endingWithBatch } from './batches.ts'

// What the envelope does to a run: `claim.sql`, `success.sql`, `failure.sql` and `record-failure.sql` have the statements.

/** A server process begins to work on a run, and on the runs of the other members of its group. */
const claim: Transition = {
  from: ['pending', 'built'],
  to: ['running'],
  proof:
    'the role of the server process wrote the plan, no other run of the view is running, and it is the turn of the run',
}

/** A run ends because another run of its view is running. */
const alreadyRunning: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'another run of the view, or of a member of the group, is running, and the plan says to skip',
}

/** The work of a run is done. A run that only fills a shadow is built. */
const success: Transition = {
  from: ['running'],
  to: ['success', 'built'],
  proof: 'the server process that claimed the run has done the work in this transaction',
}

/** The work of a run has failed, or was canceled. */
const failure: Transition = {
  from: ['running'],
  to: ['failed', 'canceled'],
  proof: 'the server process that claimed the run has undone the work; canceled: a caller has asked for it',
}

/** The runs of the other members of a group end, because the view has to be refreshed without them, or its refresh has failed. */
const leavingOut: Transition = {
  from: ['running'],
  to: ['skipped'],
  proof: 'the server process that claimed the run goes on with a plan for one view, or has undone the work',
}

/** Every way in which the status of a run changes; a test tries each. */
export const life = {
  claim,
  'already running': alreadyRunning,
  success,
  failure,
  'left out': leavingOut,
  cancel: cancellation,
  refused: refusal,
  'not needed': skipping,
  'planned again': planningAgain,
  'missed turn': missedTurn,
  'given up': givingUp,
  lost: loss,
  'lost batch': endingWithBatch,
} satisfies Record<string, Transition>
