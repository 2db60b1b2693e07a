import type { View } from '../../../src/edge/http/schemas/answers.ts'
import type { BatchViewStatus } from '../../../src/plan/batches/view-order.ts'
import { isEnded } from '../../../src/plan/run.ts'
import { type AnyState, states, type Tone as ViewTone, worstOf } from '../../../src/plan/views/state.ts'

/** How something stands: the word that people read, the colour, and the mark that says the same without colour. */
export interface Standing {
  word: string
  tone: Tone
  mark: Mark
}

type Tone = ViewTone | 'built'
export type Mark = 'check' | 'clock' | 'cross' | 'play' | 'dots' | 'pause' | 'ring' | 'gone' | 'dash' | 'box'

const standing = (word: string, tone: Tone, mark: Mark): Standing => ({ word, tone, mark })

const marks: Record<AnyState, Mark> = {
  missing: 'gone',
  aside: 'gone',
  unpopulated: 'ring',
  failed: 'cross',
  stale: 'clock',
  paused: 'pause',
  unlimited: 'dash',
  fresh: 'check',
}

/** How a state of a view is shown. */
export const standingOf = (state: AnyState): Standing => ({ ...states[state], mark: marks[state] })

const ofRun: Record<BatchViewStatus, Standing> = {
  waiting: standing('waiting', 'idle', 'dots'),
  pending: standing('pending', 'idle', 'dots'),
  running: standing('running', 'busy', 'play'),
  built: standing('built', 'built', 'box'),
  success: standing('success', 'good', 'check'),
  failed: standing('failed', 'bad', 'cross'),
  canceled: standing('canceled', 'idle', 'cross'),
  skipped: standing('skipped', 'idle', 'dash'),
  pruned: standing('pruned', 'idle', 'dash'),
}

/** How the status of a run, or of a view within a batch, is shown. */
export const standingOfRun = (status: keyof typeof ofRun): Standing => ofRun[status]

/** Whether a run or a batch of this status goes on. */
export const isOpen = (status: keyof typeof ofRun): boolean =>
  status === 'waiting' || (status !== 'pruned' && !isEnded(status))

/** The one standing of a view in a picture: what happens with it now, else what is worst about it. */
export function pictured(view: View): Standing {
  const status = view.lastRun?.status
  return status && isOpen(status) ? ofRun[status] : standingOf(worstOf(view))
}
