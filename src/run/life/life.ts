import { alreadyRunning, claim, failure, leavingOut, success } from './by-envelope.ts'
import { cancellation } from './cancel.ts'
import { loss } from './lose.ts'
import { endingWithBatch, givingUp, missedTurn } from './of-batch.ts'
import type { Transition } from './transition.ts'
import { planningAgain, refusal, skipping } from './unclaimed.ts'

/** Every way in which the status of a run changes. docs/how-it-works.md lists them, and a test tries each. */
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
