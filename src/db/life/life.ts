import { alreadyRunning } from './already-running.ts'
import { cancellation } from './cancel.ts'
import { claim } from './claim.ts'
import { endingWithBatch } from './end-with-batch.ts'
import { failure } from './fail.ts'
import { givingUp } from './give-up.ts'
import { leavingOut } from './leave-out.ts'
import { loss } from './lose.ts'
import { missedTurn } from './miss-turn.ts'
import { planningAgain } from './plan-again.ts'
import { refusal } from './refuse.ts'
import { skipping } from './skip.ts'
import { success } from './succeed.ts'
import type { Transition } from './transition.ts'

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
